"""What twice the labels would bring, held against real learning curves."""

from __future__ import annotations

import numpy as np
import pytest

from tests.benchmarks.learning_curves import DRAWS, METHODS, SHOTS, TASKS, predictions, read, score_table, scores, table


def test_the_curves_are_whole_and_rise() -> None:
    curves = read()
    assert {(task, method) for task, method, _ in curves} == {(task, method) for task in TASKS for method in METHODS}
    for (task, method, shots), right_NT in curves.items():
        assert len(right_NT) == len(DRAWS)
        more_NT = curves.get((task, method, 2 * shots))
        assert more_NT is None or more_NT.mean() > right_NT.mean()
    assert {shots for *_, shots in curves} == set(SHOTS)


@pytest.mark.parametrize(("draws", "rows"), [(5, 60), (10, 200), (20, 400)])
def test_intervals_hold_what_twice_the_labels_brought(draws: int, rows: int) -> None:
    found = list(predictions(read(), samples=20, draws=draws, rows=rows))
    assert 0.92 < np.mean([each.expected.low <= each.real <= each.expected.high for each in found]) < 0.98


@pytest.mark.parametrize("doublings", [1, 2, 3])
def test_intervals_hold_the_score_with_more_labels(doublings: int) -> None:
    found = list(scores(read(), doublings=doublings, samples=20, draws=10, rows=200))
    assert 0.92 < np.mean([expected.low <= real <= expected.high for expected, real in found]) < 0.995


def test_the_law_is_nearer_than_what_the_last_doubling_brought() -> None:
    found = list(predictions(read(), samples=20, draws=20, rows=400))
    law = np.mean([(each.expected.mean - each.real) ** 2 for each in found])
    last = np.mean([(each.last - each.real) ** 2 for each in found])
    assert law < last


def test_the_tables_have_a_line_for_each_size() -> None:
    assert len(table(read()).splitlines()) == 5
    assert len(score_table(read()).splitlines()) == 11
