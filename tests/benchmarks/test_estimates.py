"""Intervals of what is named best and of mean gains: the short form of the benchmark, and its kept results."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.benchmarks.estimates import RESULTS, TRUTHS, gains_held, named


@pytest.mark.slow
def test_what_is_named_best_is_hardly_flattered() -> None:
    found = named(TRUTHS["10, equally good"], 10, 300, np.random.default_rng(0))
    assert found["plain_off"] > 1.2
    assert abs(found["off"]) < 0.9
    assert found["held"] > 90


@pytest.mark.slow
def test_mean_gains_hold_what_they_say() -> None:
    found = gains_held(3, 2.0, 400, np.random.default_rng(1))
    assert 91 <= found["here_held"] <= 98.5
    assert 91 <= found["others_held"] <= 98.5


def test_the_kept_results_hold_as_often_as_they_say() -> None:
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    best = kept["named best"]
    assert set(best) == {f"{name}, {draws} draws" for name in TRUTHS for draws in (5, 10, 20)}
    for name, found in best.items():
        least = 93 if found["draws"] >= 10 else 91
        assert found["held"] >= least - 200 * np.sqrt(0.05 * 0.95 / found["sweeps"]), name
    for found in kept["mean gain"]:
        for which in ("here_held", "others_held"):
            error = 200 * np.sqrt(0.05 * 0.95 / found["sweeps"])
            assert 93 - error <= found[which] <= 97.5 + error
