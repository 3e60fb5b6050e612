"""The arithmetic of the benchmark of explained predictions."""

from __future__ import annotations

from tests.benchmarks.attribution import SHORTCUT, planted_rows, turned


def test_the_shortcut_is_planted_into_chosen_rows() -> None:
    assert planted_rows(["a", "b"], [True, False]) == (f"a {SHORTCUT}", "b")


def test_rows_count_that_the_shortcut_turns_into_its_class() -> None:
    assert turned(["a", "b", "c", "b"], ["a", "a", "b", "a"], "a") == [1, 3]
