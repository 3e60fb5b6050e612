"""What twice the labels and twice the trials would bring: by hand, at the edges, and in a verdict."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from sweep.records.trial import TrialRecord
from sweep.verdict import verdict
from sweep.verdict.learning_curve import alike, expected_score, learning_curve, more_labels
from sweep.verdict.outlook import more_trials, outlooks
from tests.sweeps.synthetic_results import synthetic_results
from trainable.outcomes import Outcome

NONE_KK = np.zeros((2, 2))


def test_the_error_falls_by_the_same_share_again() -> None:
    assert more_labels(0.4, 0.3, NONE_KK).mean == pytest.approx(0.3 - 0.225)
    assert more_labels(0.4, 0.1, NONE_KK, doublings=2).mean == pytest.approx(0.1 - 0.05)


def test_no_loss_is_expected_and_no_more_than_the_error() -> None:
    risen = more_labels(0.3, 0.4, np.diag([1e-3, 1e-3]))
    assert (risen.mean, risen.low) == (0, 0)
    assert risen.high > 0
    perfect = more_labels(0.1, 0.0, np.diag([1e-3, 1e-3]))
    assert perfect.mean == pytest.approx(0, abs=1e-5)
    assert perfect.high <= 1e-5


def test_the_variance_is_that_of_the_delta_method() -> None:
    """Against errors drawn from the normal distribution that the delta method linearises."""
    covariance_KK = np.array([[4e-5, 1e-5], [1e-5, 3e-5]])
    drawn_SK = np.random.default_rng(0).multivariate_normal([0.4, 0.3], covariance_KK, 20_000)
    gains_S = [more_labels(few, many, NONE_KK).mean for few, many in drawn_SK]
    found = more_labels(0.4, 0.3, covariance_KK)
    law = 0.25 * found.mean  # what real curves differ from the law by
    error = (found.high - found.low) / 2 / 1.96
    assert np.hypot(np.std(gains_S), law) == pytest.approx(error, rel=0.03)


def test_a_score_is_one_less_the_error_that_is_expected_there() -> None:
    assert expected_score(0.4, 0.3, NONE_KK, 1, 1).mean == pytest.approx(1 - 0.225)
    assert expected_score(0.4, 0.3, NONE_KK, 1, 2).mean == pytest.approx(1 - 0.3 * 0.75**2)
    assert expected_score(0.4, 0.1, NONE_KK, 2, 0.5).mean == pytest.approx(1 - 0.1 * 0.25**0.25)
    assert expected_score(0.3, 0.4, NONE_KK, 1, 1).mean == pytest.approx(0.6)
    doubled = expected_score(0.4, 0.3, NONE_KK, 1, 1)
    assert doubled.mean == pytest.approx(0.7 + more_labels(0.4, 0.3, NONE_KK).mean)


def test_the_variance_of_a_score_is_that_of_the_delta_method() -> None:
    covariance_KK = np.array([[4e-5, 1e-5], [1e-5, 3e-5]])
    drawn_SK = np.random.default_rng(0).multivariate_normal([0.4, 0.3], covariance_KK, 20_000)
    scores_S = [expected_score(few, many, NONE_KK, 1, 1.5).mean for few, many in drawn_SK]
    found = expected_score(0.4, 0.3, covariance_KK, 1, 1.5)
    error = (found.high - found.low) / 2 / 1.96
    assert np.hypot(np.std(scores_S), 0.25 * (found.mean - 0.7)) == pytest.approx(error, rel=0.03)


@pytest.mark.slow
def test_a_curve_reaches_from_what_was_compared_to_eight_times_as_many_labels() -> None:
    comparisons = alike(found := verdict(synthetic_results(shots=(8, 16, 64))).comparisons, found[0])
    assert {each.dataset for each in comparisons} == {found[0].dataset}
    curve = learning_curve(comparisons, "soft_triple")
    assert curve is not None
    assert (curve.fewer.shots, curve.most.shots, curve.doublings) == (16, 64, 2)
    assert curve.score_at(64) is None
    assert curve.score_at(0) is None
    assert curve.score_at(513) is None
    score = curve.score_at(512)
    assert score is not None
    assert score.mean == pytest.approx(1 - curve.errors[1] * min(1, curve.errors[1] / curve.errors[0]) ** 1.5)
    assert score.low <= score.mean <= score.high
    assert learning_curve(comparisons[:1], "soft_triple") is None
    assert learning_curve(comparisons, "unknown") is None


def completed(scores: list[float], *, pruned: int = 0) -> list[TrialRecord]:
    """Trials with these scores, each equal on every draw, so that they belong to the configurations alone."""
    trials = [each for each in synthetic_results().trials if each.outcome is Outcome.COMPLETED]
    last = next(each for each in synthetic_results().trials if each.outcome is Outcome.PRUNED)
    found = []
    for score in scores:
        evaluations = tuple(
            replace(
                each,
                score=score,
                evaluation=replace(each.evaluation, metrics={**each.evaluation.metrics, "val_accuracy": score}),
            )
            for each in trials[0].evaluations
        )
        found.append(replace(trials[0], score=score, evaluations=evaluations))
    return found + [last] * pruned


@pytest.mark.lengthy
def test_at_most_so_many_labels_are_as_many_as_there_are() -> None:
    """`at most 64`, where a class has 20 rows: 1.32 doublings of 8 labels, not 3."""
    results = synthetic_results(datasets=("trec",), shots=(8, 64))
    fewer, many = verdict(results).comparisons
    most = replace(many, shots="at most 64", labels=6 * 20)
    assert most.per_unit == 20
    assert replace(most, labels=6 * 200).per_unit == 64, "as many as are asked for"
    assert replace(most, sampling="random", labels=50).per_unit == 50
    assert replace(most, labels=None).per_unit == 64, "where the data is not known"
    curve = learning_curve((fewer, most), "soft_triple")
    assert curve is not None
    assert curve.doublings == pytest.approx(np.log2(20 / 8))


@pytest.mark.lengthy
def test_the_last_doubling_is_the_best_of_all_less_the_best_of_every_half() -> None:
    scores = [0.5, 0.7, 0.6, 0.9, 0.65, 0.8]
    halves = [max(half) for half in combinations(scores, 3)]
    assert more_trials(completed(scores)) == pytest.approx(0.9 - np.mean(halves))


@pytest.mark.lengthy
def test_trials_that_were_stopped_count_as_the_worst() -> None:
    stopped = [0.5, 0.7, 0.6, 0.9, 0.5, 0.5]
    halves = [max(half) for half in combinations(stopped, 3)]
    assert more_trials(completed([0.5, 0.7, 0.6, 0.9], pruned=2)) == pytest.approx(0.9 - np.mean(halves))


def test_few_trials_tell_nothing() -> None:
    assert more_trials(completed([0.5, 0.6, 0.7])) is None


def test_equal_trials_promise_nothing() -> None:
    assert more_trials(completed([0.7] * 6)) == 0


@pytest.mark.slow
def test_a_verdict_has_one_for_each_dataset_with_several_numbers_of_labels() -> None:
    found = verdict(synthetic_results(shots=(8, 16, 64), trials=12)).outlooks
    assert [(each.title, each.fewer, each.shots) for each in found] == [
        ("trec, 64 labels per class", 16, 64),
        ("cr, 64 labels per class", 16, 64),
    ]
    for each in found:
        assert "twice the labels would bring" in each.sentence
        assert "twice the trials about" in each.sentence
    assert verdict(synthetic_results(shots=(8,))).outlooks == ()


@pytest.mark.lengthy
def test_the_sentence_says_what_would_bring_more_where_that_is_clear() -> None:
    (found, _) = verdict(synthetic_results(shots=(8, 16), trials=12)).outlooks
    labels = replace(found.labels, mean=0.05, low=0.03, high=0.07)
    assert replace(found, labels=labels, trials=0.01).sentence.endswith("Label, rather than search.")
    assert replace(found, labels=labels, trials=0.08).sentence.endswith("Search, rather than label.")
    assert replace(found, labels=labels, trials=0.05).sentence.endswith("5.0 points.")


@pytest.mark.lengthy
def test_an_error_that_did_not_fall_is_not_said_to_have_fallen() -> None:
    (found, _) = verdict(synthetic_results(shots=(8, 16), trials=2, draws=3)).outlooks
    risen = replace(found, labels=more_labels(0.3, 0.4, np.diag([1e-3, 1e-3])), trials=0.01)
    assert "no better than with 8, so that nothing says what twice the labels would bring; twice" in risen.sentence
    assert risen.sentence.endswith("the trials about 1.0 points.")
    assert "falls as it did" not in risen.sentence


@pytest.mark.slow
def test_where_the_best_reads_no_labels_the_outlook_is_that_of_the_best_that_does() -> None:
    """The answers of another system are as good with twice the labels as without."""
    found = verdict(synthetic_results(datasets=("cr",), shots=(8, 16), trials=2, draws=4)).comparisons
    means = {arm.method: arm.summary.mean for arm in found[1].arms if arm.summary is not None}
    first, second = sorted(means, key=means.__getitem__, reverse=True)[:2]
    renamed = []
    for each in found:
        arms = tuple(
            replace(arm, method="gpt", trains="elsewhere") if arm.method == first else arm for arm in each.arms
        )
        best = next(arm for arm in arms if arm.method == "gpt")
        renamed.append(replace(each, arms=arms, best=best))
    (outlook,) = outlooks(renamed, {})
    assert outlook.method == second
    assert f"{second}, the best of those that learn from labels, about" in outlook.sentence
    alone = [replace(each, arms=(each.best,)) for each in renamed if each.best is not None]
    assert outlooks(alone, {}) == ()
