"""What is read from a ledger of how long a person waited."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.start_and_end import waits
from tests.sweeps.mixed_sweep import mixed_sweep


def test_waits_are_told_by_what_is_on_record(tmp_path: Path) -> None:
    directory = mixed_sweep(tmp_path)
    found = waits(tmp_path, directory.path.name, started=0.0, ended=1e10)
    assert sum(found.values()) == pytest.approx(1e10, abs=0.1)
    assert found["to_the_first_training_s"] > 1e9, "seconds since the epoch"
    assert found["trainings_s"] >= 0
