"""Intervals over draws and test rows: the short form of the benchmark, and its kept results."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.benchmarks.coverage import DRAWS, REAL_ROWS, RESULTS, ROWS, real, simulated


@pytest.mark.slow
@pytest.mark.parametrize(("draws", "rows"), [(5, 15), (40, 15), (10, 60), (20, 200)])
def test_intervals_hold_the_truth_as_often_as_they_say(draws: int, rows: int) -> None:
    error = float(np.sqrt(0.05 * 0.95 / 400))
    assert 0.93 - 2 * error <= simulated(draws, rows, 400) <= 0.985 + 2 * error
    assert 0.93 - 2 * error <= real(draws, rows, 40) <= 0.995


def test_the_kept_results_are_the_whole_grid_and_rarely_miss_the_truth() -> None:
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    places = [f"real, {rows} rows" for rows in REAL_ROWS] + [f"simulated, {rows} rows" for rows in ROWS]
    assert list(kept) == places
    for name, found in kept.items():
        assert list(found["held"]) == list(map(str, DRAWS))
        error = 100 * np.sqrt(0.05 * 0.95 / found["intervals"])
        assert min(found["held"].values()) >= 93 - 2 * error, name
