"""Whether more trials are worthwhile, on records of which the truth is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sweep.records.results import SweepResults
from sweep.records.trial import TrialRecord
from sweep.verdict import verdict
from sweep.verdict.variance import configuration_variance, rest_variance
from sweep.verdict.worthwhile import enough
from tests.sweeps.synthetic_results import synthetic_results
from trainable.outcomes import Outcome

LOSSES = ("cross_entropy", "supcon")


def searched(**changes: Any) -> SweepResults:
    given = {"datasets": ("trec",), "losses": LOSSES, "trials": 16, "ends": (Outcome.COMPLETED,), "noise_sd": 0.04}
    return synthetic_results(**{**given, **changes})


def own(results: SweepResults, loss: str = "cross_entropy") -> list[TrialRecord]:
    return [trial for trial in results.trials if trial.cell == f"trec/8/{loss}"]


def test_where_configurations_are_alike_eight_trials_are_enough() -> None:
    found = enough(own(searched(quality_sd=0.0)), planned=16, draws=10, tests=1)
    assert found is not None
    assert found.trials == 8
    assert 0 <= found.gain < found.resolved < 0.1


def test_where_configurations_differ_more_than_draws_the_search_continues() -> None:
    trials = own(searched(quality_sd=0.1, noise_sd=0.005))
    assert enough(trials, planned=64, draws=20, tests=1) is None


def test_it_is_decided_by_the_first_trials_alone() -> None:
    """Whatever comes after them, and in whatever order they are read; not before all of them have ended."""
    trials = own(searched(quality_sd=0.0))
    found = enough(trials, planned=16, draws=10, tests=1)
    assert enough(trials[:8], planned=16, draws=10, tests=1) == found
    assert enough(trials[::-1], planned=16, draws=10, tests=1) == found
    assert enough(trials[:7], planned=16, draws=10, tests=1) is None
    running = [replace(trials[3], outcome=None) if trial is trials[3] else trial for trial in trials]
    assert enough(running, planned=16, draws=10, tests=1) is None


@pytest.mark.parametrize("changes", [{"draws": 0}, {"planned": 8}])
def test_without_a_confirmation_or_further_trials_there_is_nothing_to_end(changes: dict[str, int]) -> None:
    assert enough(own(searched(quality_sd=0.0)), **{"planned": 16, "draws": 10, "tests": 1, **changes}) is None


def test_one_draw_a_trial_tells_nothing_of_what_draws_resolve() -> None:
    trials = own(searched(quality_sd=0.0, protocol={"replicates": 1}))
    assert enough(trials, planned=16, draws=10, tests=1) is None


def test_the_report_says_what_was_saved_and_not_that_the_search_is_unfinished() -> None:
    results = searched(quality_sd=0.0, budget={"stop": "worthwhile"}, unconfirmed=LOSSES)
    kept = [trial for trial in results.trials if trial.number < 8]
    said = [text for text in verdict(replace(results, trials=tuple(kept))).warnings if "search" in text]
    assert any(text.startswith("the search ended where more trials were not worthwhile: ") for text in said)
    assert any("(8 of 16 trials)" in text for text in said)
    assert not any("unfinished" in text for text in said)


def test_the_rest_is_what_neither_configuration_nor_draw_explains() -> None:
    rng = np.random.default_rng(0)
    scores_TR = rng.normal(0, 3, (400, 1)) + rng.normal(0, 5, 6) + rng.normal(0, 2, (400, 6))
    assert rest_variance(scores_TR) == pytest.approx(4, rel=0.1)
    assert configuration_variance(scores_TR) == pytest.approx(9, rel=0.2)
    assert rest_variance([[1.0], [2.0]]) is None
