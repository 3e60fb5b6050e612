"""What is kept of the measurement of confidence: whole, without texts, and the tables that are made of it."""

from __future__ import annotations

import numpy as np

from tests.benchmarks.reliability import METHODS, TASKS, TESTED, judged_arms, read, tables


def test_every_method_was_scored_on_the_same_rows_and_nothing_else_is_kept() -> None:
    lines = read()
    assert {line["task"] for line in lines} == set(TASKS)
    keys = {name for line in lines for name in line}
    assert keys == {
        *("task", "labels", "to_class", "to_mean", "geometry"),
        *("method", "draw", "predicted", "confidences", "seconds"),
    }
    for task in TASKS:
        arms = judged_arms(task)
        assert {"frozen", "cross_entropy", "soft_triple"} <= set(arms) <= set(METHODS)
        for arm in arms.values():
            assert arm.right_KT.shape == (len(arm.draws), TESTED)
            assert all(temperature is not None for temperature in arm.temperatures)
            right_KT = arm.right_KT == 1
            np.testing.assert_array_equal(arm.values["true"][right_KT], arm.values["confidence"][right_KT])


def test_the_tables_have_a_line_for_each_arm() -> None:
    arms = sum(len(judged_arms(task)) for task in TASKS)
    sizes = [len(table.splitlines()) - 2 for table in tables().split("\n\n")]
    assert sizes == [arms, arms - len(TASKS), arms, arms]
