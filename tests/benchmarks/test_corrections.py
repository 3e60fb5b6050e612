"""The correction over all tests of a sweep: the short form of the benchmark, and its kept results."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sweep.verdict.statistics import LEVEL
from tests.benchmarks.corrections import KINDS, RESULTS, measure


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["alike", "rows suit one method or another", "one collapses in a tenth"])
def test_equally_good_methods_are_rarely_told_apart(kind: str) -> None:
    sweeps = 300
    found = measure(kind, 0.0, 10, sweeps)
    assert float(found["step_down_any"]) <= 100 * (LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / sweeps))


def test_the_kept_results_show_every_kind_and_no_loss_of_power() -> None:
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    most = 100 * (LEVEL + 2 * np.sqrt(LEVEL * (1 - LEVEL) / 1000))
    equal = [row for row in kept if not row["gain"]]
    assert {(row["kind"], row["draws"]) for row in equal} == {(kind, draws) for kind in KINDS for draws in (10, 20)}
    assert {row["sweeps"] for row in kept} == {1000}
    assert max(row["step_down_any"] for row in equal) <= most
    for row in (row for row in kept if row["gain"]):
        assert row["step_down_seen"] >= max(row["holm_seen"], row["permutations_seen"])
