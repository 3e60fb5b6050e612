"""The arithmetic of the benchmark of explained predictions, and what it has kept."""

from __future__ import annotations

import json

from tests.benchmarks.attribution import RESULTS, SHORTCUT, planted_rows, turned


def test_the_shortcut_is_planted_into_chosen_rows() -> None:
    assert planted_rows(["a", "b"], [True, False]) == (f"a {SHORTCUT}", "b")


def test_rows_count_that_the_shortcut_turns_into_its_class() -> None:
    assert turned(["a", "b", "c", "b"], ["a", "a", "b", "a"], "a") == [1, 3]


def test_what_was_measured_is_what_is_promised() -> None:
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert kept["speed"]["sentences"] == 200
    assert kept["speed"]["times"]["all of an explanation"]["cpu_s"] <= 60
    assert kept["speed"]["share_of_captum_50_steps"] <= 0.5
    assert kept["shortcut"]["ranked_first"] >= 0.95 * kept["shortcut"]["turned_by_it"] > 0
