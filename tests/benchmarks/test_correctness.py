"""Intervals over draws and test rows, held against real classifiers."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from sweep.verdict.crossed import crossed_difference
from tests.benchmarks.correctness import DRAWS, METHODS, read


def test_the_table_is_whole() -> None:
    table = read()
    assert set(table) == {"trec", "cr"}
    for methods in table.values():
        assert set(methods) == set(METHODS)
        assert {len(right_NT) for right_NT in methods.values()} == {len(DRAWS)}
        assert all(0.4 < right_NT.mean() < 0.75 for right_NT in methods.values())


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("rows", [15, 30, 60, 200])
@pytest.mark.parametrize("draws", [5, 10, 20, 40])
def test_intervals_hold_what_real_classifiers_differ_by(draws: int, rows: int) -> None:
    """Samples of a table of real classifiers, 200 draws and about 1,000 test rows, whose means are the truth."""
    rng = np.random.default_rng(draws * rows)
    held = []
    for methods in read().values():
        for first, second in combinations(methods, 2):
            table_NT = methods[first].astype(float) - methods[second]
            for _ in range(80):
                chosen_N, chosen_T = (
                    rng.choice(size, count, replace=False)
                    for size, count in zip(table_NT.shape, (draws, rows), strict=True)
                )
                sample_NT = table_NT[np.ix_(chosen_N, chosen_T)]
                found = crossed_difference(sample_NT, np.zeros_like(sample_NT))
                held.append(found.low - 1e-12 <= table_NT.mean() <= found.high + 1e-12)
    share = float(np.mean(held))
    print(f"{rows} rows, {draws} draws: {share:.3f}, standard error {np.sqrt(share * (1 - share) / len(held)):.3f}")
    assert 0.93 <= share <= 0.995
