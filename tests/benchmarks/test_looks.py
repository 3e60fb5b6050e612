"""Confirming in looks against a fixed number of draws: the short form of the benchmark, and its kept results."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sweep.verdict.statistics import LEVEL
from tests.benchmarks.looks import ARMS, DESIGNS, RESULTS, measure, simulated

LOOKS = "auto of 24"


@pytest.mark.slow
def test_looks_save_trainings_and_err_no_more_often() -> None:
    sweeps = 150
    equal = measure(sweeps, lambda rng: simulated([0.0] * ARMS, rng), 1)[LOOKS]
    clear = measure(sweeps, lambda rng: simulated([0.08] * ARMS, rng), 2)[LOOKS]
    error = float(np.sqrt(LEVEL * (1 - LEVEL) / sweeps))
    assert equal["any_rejected"] <= LEVEL + 3 * error
    assert clear["rejected"] > 0.97
    assert equal["trainings"] < 0.65
    assert clear["trainings"] < 0.75
    assert min(equal["held"], clear["held"]) > 0.93


def test_the_kept_results_are_of_these_designs() -> None:
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert all(set(found) == {"fixed", *DESIGNS} for found in kept.values())
    for name, found in kept.items():
        assert {each["sweeps"] for each in found.values()} == {1000}, name
        if "equally good" in name:
            assert found[LOOKS]["any_rejected"] <= LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / 1000), name
