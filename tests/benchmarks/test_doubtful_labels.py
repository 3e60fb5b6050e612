"""Planted wrong labels: what is kept of the embedded data, and clear groups of which every planted label is found."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.benchmarks.doubtful_labels import FIRST, RESULTS, ROWS, WRONG, found_by_score, planted, summary

LEAST = 70.0


@pytest.mark.parametrize("plantings", ["20", "200"])
def test_most_planted_labels_stand_in_the_first_tenth(plantings: str) -> None:
    assert FIRST / ROWS == 0.1
    assert WRONG / ROWS == 0.05
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))[plantings]
    assert kept["ours"]["interval"][0] >= LEAST, "the whole interval, not only the mean"
    assert {"cleanlab alone", "out-of-fold probability alone", "share of the arms' models alone"} <= set(kept)
    for name, found in kept.items():
        low, high = found["interval"]
        assert low <= found["found"] <= high
        if name != "ours":
            assert found["ours_finds_more"][0] == pytest.approx(kept["ours"]["found"] - found["found"], abs=0.11)


def test_clear_groups_give_every_planted_label_away() -> None:
    rng = np.random.default_rng(0)
    labels_N = np.arange(300) % 4
    unit_ND = np.eye(4)[labels_N] + 0.1 * rng.normal(size=(300, 4))
    file = planted(unit_ND / np.linalg.norm(unit_ND, axis=1, keepdims=True), labels_N, 3)
    assert file.wrong_N.sum() == WRONG
    found = found_by_score(file)
    assert found["ours"] == 1
    table = summary([found, found, {**found, "ours": 0.5}])
    assert table["ours"]["found"] == pytest.approx(83.3)
    assert table["ours"]["interval"][0] < 83.3
