"""Intervals from fifty labels: what is kept of real classifiers, and simulated ones whose truth is known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.benchmarks.fifty_labels import ARMS, CLASSES, COUNTS, RESULTS, SEARCHED, Large, confirmed, coverage

LEAST, MOST = 93.0, 97.5


@pytest.mark.parametrize("shots", ["all", "4"])
def test_intervals_hold_the_truth_as_often_as_they_say(shots: str) -> None:
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))[shots]
    assert kept.pop("files") >= 300
    assert len(kept) == len(ARMS) + len(ARMS) * (len(ARMS) - 1) // 2 + 1
    for name, found in kept.items():
        noise = 2 * found["standard_error"]
        assert found["held"] >= LEAST - noise, name
        if " - " not in name:  # differences of methods that answer alike are held more often than is said
            assert found["held"] <= MOST + noise, name


def test_the_truth_is_measured_on_rows_that_no_file_has() -> None:
    large = clusters(0)
    rng = np.random.default_rng(0)
    file_T = large.file(rng)
    assert np.bincount(large.labels_N[file_T]).tolist() == list(COUNTS)
    held = confirmed(large, file_T, list(SEARCHED.values()), "all")
    tested_NT = ~np.isnan(held.right_ANT[0])
    assert tested_NT.sum(axis=0).tolist() == [5] * sum(COUNTS)
    assert set(tested_NT.sum(axis=1).tolist()) == {12, 13}
    assert ((held.true_A > 0.3) & (held.true_A < 1)).all()


@pytest.mark.slow
def test_intervals_hold_the_truth_of_simulated_rows() -> None:
    large, rng = clusters(1), np.random.default_rng(1)
    heads = {name: ARMS[name] for name in ("centroid", "neighbours")}
    found = [confirmed(large, large.file(rng), list(heads.values()), "all") for _ in range(300)]
    for name, each in coverage(found, list(heads), len(heads)).items():
        assert LEAST - 3 <= each["held"] <= 99.5, (name, each)
        assert abs(each["off"]) < 1.5


def clusters(seed: int) -> Large:
    """Rows of four classes that overlap."""
    rng = np.random.default_rng(seed)
    labels_N = np.arange(2400) // 600
    centres_CD = rng.normal(size=(len(CLASSES), 12))
    return Large(0.6 * centres_CD[labels_N] + rng.normal(size=(2400, 12)), labels_N)
