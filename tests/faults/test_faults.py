"""The short fault suite: every fault that no other test throws, once, in a few sweeps. The long one is `make soak`."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.faults import FAULTS, Fault
from tests.faults.requirements import lacking
from tests.faults.soak import Soak
from tests.faults.soak_round import available, each_once
from tests.faults.summary import Summary

pytestmark = pytest.mark.timeout(4000)  # the first test waits for all sweeps, minutes on two idle cores

SEED = 0
INTEGRATION = Path(__file__).parents[1] / "integration"
SHORT = tuple(fault for fault in FAULTS if not fault.also)
GOES = 5  # a fault whose moment came when its sweep was over gets another


@pytest.fixture(scope="module")
def summary() -> Iterator[Summary]:
    folder = Path(tempfile.mkdtemp(prefix="faults-"))  # a short path: Ray's sockets lie in it
    found = Summary()
    soak = Soak(folder, steps=30, summary=found)
    for go in range(GOES):
        faults = [fault for fault in available() if fault in SHORT and not found.recoveries(fault.name)]
        if faults:
            soak.run(each_once(SEED + 100 * go, faults))
    yield found
    if not found.problems:
        shutil.rmtree(folder)


@pytest.mark.parametrize("fault", SHORT, ids=lambda fault: fault.name)
def test_a_sweep_survives(fault: Fault, summary: Summary) -> None:
    if missing := lacking(fault.requirements):
        pytest.skip(f"needs {missing}")
    assert summary.recoveries(fault.name), "it did not strike"
    assert not [problem for problem in summary.problems if fault.name in problem]


def test_nothing_is_lost_doubled_or_stuck(summary: Summary) -> None:
    print(f"\n{summary.table()}")
    assert summary.problems == []


@pytest.mark.parametrize("fault", [each for each in FAULTS if each.also], ids=lambda fault: fault.name)
def test_a_fault_left_out_is_thrown_elsewhere(fault: Fault) -> None:
    file, _, test = fault.also.partition("::")
    assert f"\ndef {test}(" in (INTEGRATION / file).read_text(encoding="utf-8")
