"""Choices made on validation rows, against slow references, and what is told of the test rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from trainable.calibration import fitted_temperature
from trainable.confidences import TEMPERED
from trainable.evaluation.assessment import (
    Mixture,
    Rule,
    Scores,
    assess_test,
    assess_validation,
    choose_mixture,
    choose_neighbours,
    cross_fitted,
    neighbour_scores,
)

C, M = 3, 30


def usual(beta: float) -> Rule:
    """The rule of the search where none is configured."""
    return "head" if beta > 0 else "nearest"


def _directions(rng: np.random.Generator, count: int, labels_N: NDArray[np.int64]) -> NDArray[np.float64]:
    rows_ND = 1.2 * np.eye(8)[labels_N] + 0.8 * rng.normal(size=(count, 8))
    lengths_N1: NDArray[np.float64] = np.linalg.norm(rows_ND, axis=1, keepdims=True)
    return np.asarray(rows_ND / lengths_N1)


def _scores(seed: int, count: int = 40, *, raw: bool = False) -> Scores:
    """Scores of rows of three overlapping classes, by a head and by proxies that are wrong about different rows."""
    rng = np.random.default_rng(seed)
    labels_N = rng.integers(0, C, count)
    train_M = np.random.default_rng(99).integers(0, C, M)
    cosines_NM = _directions(rng, count, labels_N) @ _directions(np.random.default_rng(98), M, train_M).T
    order_NK = np.argsort(-cosines_NM, axis=1)[:, :25]
    return Scores(
        labels_N=labels_N,
        head_NC=2 * np.eye(C)[labels_N] + 1.5 * rng.normal(size=(count, C)),
        nearest_NC=8 * np.eye(C)[labels_N] + 7 * rng.normal(size=(count, C)),
        cosines_NK=np.take_along_axis(cosines_NM, order_NK, axis=1),
        neighbours_NK=train_M[order_NK],
        raw_NC=rng.normal(size=(count, C)) if raw else None,
    )


def _probabilities(scores: Sequence[float]) -> list[float]:
    total = math.fsum(math.exp(each - max(scores)) for each in scores)
    return [math.exp(each - max(scores)) / total for each in scores]


def _quality(mixture: Mixture, scores: Scores) -> tuple[int, float]:
    """Wrong rows and negative log-likelihood, one row after the other."""
    wrong, nll = 0, 0.0
    for label, head, nearest in zip(scores.labels_N, scores.head_NC, scores.nearest_NC, strict=True):
        tempered = [each / mixture.temperature for each in nearest]
        pairs = zip(_probabilities(head), _probabilities(tempered), strict=True)
        mixed = [mixture.weight * first + (1 - mixture.weight) * second for first, second in pairs]
        wrong += mixed.index(max(mixed)) != label
        nll -= math.log(mixed[label]) / len(scores.labels_N)
    return wrong, nll


@pytest.mark.parametrize("seed", range(3))
def test_no_mixture_of_the_grid_is_better_than_the_chosen_one(seed: int) -> None:
    scores = _scores(seed, 25)
    chosen = choose_mixture(scores.head_NC, scores.nearest_NC, scores.labels_N)
    wrong, nll = _quality(chosen, scores)
    for weight in np.linspace(0, 1, 11).tolist():
        for temperature in (0.1, 10**-0.5, 1.0, 10**0.5, 10.0, 100.0):
            other_wrong, other_nll = _quality(Mixture(weight, temperature), scores)
            assert (wrong, nll - 1e-9) <= (other_wrong, other_nll)


def test_a_mixture_beats_both_where_they_are_wrong_about_different_rows() -> None:
    scores = _scores(0, 400)
    chosen = choose_mixture(scores.head_NC, scores.nearest_NC, scores.labels_N)
    assert 0 < chosen.weight < 1
    alone = min(_quality(Mixture(weight, 1.0), scores)[0] for weight in (0.0, 1.0))
    assert _quality(chosen, scores)[0] < alone


def test_the_way_that_knows_nothing_gets_no_weight() -> None:
    labels_N = np.arange(60) % C
    sure_NC, flat_NC = 50.0 * np.eye(C)[labels_N], np.random.default_rng(0).normal(size=(60, C))
    assert choose_mixture(sure_NC, flat_NC, labels_N) == Mixture(1.0, 1.0)
    assert choose_mixture(flat_NC, sure_NC, labels_N).weight == 0.0


def test_of_equal_mixtures_the_simplest_is_chosen() -> None:
    zeros_NC = np.zeros((4, C))
    assert choose_mixture(zeros_NC, zeros_NC, np.array([0, 1, 2, 0])) == Mixture(1.0, 1.0)


def test_probabilities_that_vanish_are_no_error() -> None:
    scores_NC = 1e4 * np.eye(C)
    chosen = choose_mixture(scores_NC, scores_NC, np.array([1, 2, 0]))
    assert chosen.probabilities(scores_NC, scores_NC).sum(axis=1) == pytest.approx(1.0)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_votes_agree_with_scikit_learn_where_no_votes_are_equal(k: int) -> None:
    neighbors = pytest.importorskip("sklearn.neighbors")
    rng = np.random.default_rng(k)
    train_M, labels_N = rng.integers(0, 2, M), rng.integers(0, 2, 50)
    train_MD, rows_ND = _directions(rng, M, train_M), _directions(rng, 50, labels_N)
    reference = neighbors.KNeighborsClassifier(k, metric="cosine", algorithm="brute").fit(train_MD, train_M)
    order_NK = np.argsort(-(rows_ND @ train_MD.T), axis=1)[:, :9]
    cosines_NK = np.take_along_axis(rows_ND @ train_MD.T, order_NK, axis=1)
    ours_N = neighbour_scores(cosines_NK, train_M[order_NK], k, 2).argmax(axis=1)
    assert ours_N.tolist() == reference.predict(rows_ND).tolist()


@pytest.mark.parametrize("k", [1, 2, 4, 9])
def test_equal_votes_are_decided_by_similarity(k: int) -> None:
    scores = _scores(5, 80)
    predictions_N = neighbour_scores(scores.cosines_NK, scores.neighbours_NK, k, C).argmax(axis=1)
    ties = 0
    for cosines, neighbours, predicted in zip(scores.cosines_NK, scores.neighbours_NK, predictions_N, strict=True):
        votes = [int((neighbours[:k] == each).sum()) for each in range(C)]
        similarity = [float(cosines[:k][neighbours[:k] == each].sum()) for each in range(C)]
        assert predicted == max(range(C), key=lambda each: (votes[each], similarity[each]))
        ties += votes.count(max(votes)) > 1
    assert ties > 0 or k == 1


def test_a_class_without_training_rows_gets_no_vote() -> None:
    votes_NC = neighbour_scores(np.array([[-0.9, -1.0]]), np.array([[2, 2]]), 2, 4)
    assert votes_NC[0, [0, 1, 3]].tolist() == [0, 0, 0]
    assert votes_NC[0].argmax() == 2


def test_more_neighbours_vote_where_the_nearest_one_misleads() -> None:
    cosines_NK, neighbours_NK = np.array([[0.9, 0.8, 0.7]] * 2), np.array([[1, 0, 0], [0, 1, 1]])
    assert choose_neighbours(cosines_NK, neighbours_NK, np.array([0, 1]), 2) == 3
    assert choose_neighbours(cosines_NK, neighbours_NK, np.array([1, 0]), 2) == 1
    assert choose_neighbours(cosines_NK, neighbours_NK, np.array([0, 0]), 2) == 1  # one right by each: the smallest
    assert choose_neighbours(cosines_NK[:, :2], neighbours_NK[:, :2], np.array([0, 1]), 2) == 1  # only two rows to ask


WAYS = ("head", "nearest", "neighbours", "mixture")


def test_every_way_is_scored_on_the_test_rows() -> None:
    validation, test = _scores(1), _scores(2, 60)
    metrics = assess_test(validation, test, beta=0.4, rule=usual(0.4)).metrics
    of_ways = {f"test_{way}_{name}" for way in WAYS for name in ("accuracy", "macro_f1")}
    of_parts = {
        f"{part}_{name}" for part in ("val", "test") for name in ("accuracy", "macro_f1", "weighted_f1", "loss")
    }
    assert metrics.keys() == of_ways | of_parts | {"neighbours_k", "mixture_weight", "mixture_temperature"}
    assert metrics["test_accuracy"] == metrics["test_head_accuracy"] == _accuracy(test.head_NC, test.labels_N)
    assert metrics["test_nearest_accuracy"] == _accuracy(test.nearest_NC, test.labels_N)
    votes_NC = neighbour_scores(test.cosines_NK, test.neighbours_NK, int(metrics["neighbours_k"]), C)
    assert metrics["test_neighbours_accuracy"] == _accuracy(votes_NC, test.labels_N)
    mixture = Mixture(metrics["mixture_weight"], metrics["mixture_temperature"])
    assert mixture == choose_mixture(validation.head_NC, validation.nearest_NC, validation.labels_N)
    assert metrics["test_mixture_accuracy"] == 1 - _quality(mixture, test)[0] / 60


def _accuracy(scores_NC: NDArray[np.floating], labels_N: NDArray[np.int64]) -> float:
    return float((scores_NC.argmax(axis=1) == labels_N).mean())


def test_a_head_that_has_learned_nothing_is_left_out() -> None:
    validation, test = _scores(1), _scores(2)
    metrics = assess_test(validation, test, beta=0.0, rule=usual(0.0)).metrics
    assert not [name for name in metrics if "head" in name or "mixture" in name]
    assert metrics["test_accuracy"] == metrics["test_nearest_accuracy"]
    assert metrics["val_accuracy"] == _accuracy(validation.nearest_NC, validation.labels_N)


@pytest.mark.parametrize("beta", [0.0, 0.4])
def test_the_validation_metrics_are_those_that_the_search_sees(beta: float) -> None:
    validation = _scores(1)
    seen = assess_validation(validation.head_NC if beta else validation.nearest_NC, validation.labels_N)
    assert seen.metrics.keys() == {"val_accuracy", "val_macro_f1", "val_weighted_f1", "val_loss"}
    assert seen.metrics.items() <= assess_test(validation, _scores(2), beta=beta, rule=usual(beta)).metrics.items()
    assert seen.confusion == ()


@pytest.mark.parametrize("beta", [0.0, 0.4])
def test_the_confusion_counts_every_test_row_and_its_diagonal_is_the_accuracy(beta: float) -> None:
    test = _scores(2, 60)
    assessment = assess_test(_scores(1), test, beta=beta, rule=usual(beta))
    counts_CC = np.array(assessment.confusion)
    assert counts_CC.shape == (C, C)
    assert counts_CC.sum(axis=1).tolist() == np.bincount(test.labels_N, minlength=C).tolist()
    assert counts_CC.trace() / 60 == assessment.metrics["test_accuracy"]
    assert all(type(count) is int for row in assessment.confusion for count in row), "it goes into JSON"


def test_test_labels_decide_nothing() -> None:
    validation, test = _scores(1), _scores(2)
    choices = ("neighbours_k", "mixture_weight", "mixture_temperature")
    honest, poisoned = (
        assess_test(validation, replace(test, labels_N=labels_N), beta=0.4, rule=usual(0.4)).metrics
        for labels_N in (test.labels_N, (test.labels_N + 1) % C)
    )
    assert [honest[name] for name in choices] == [poisoned[name] for name in choices]
    assert honest["test_mixture_accuracy"] != poisoned["test_mixture_accuracy"]


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
def test_the_published_rule_mixes_raw_scores_by_the_training_beta(beta: float) -> None:
    test = _scores(2, raw=True)
    assert test.raw_NC is not None
    metrics = assess_test(_scores(1, raw=True), test, beta=beta, rule=usual(beta)).metrics
    wrong, _ = _quality(Mixture(beta, 1.0), replace(test, nearest_NC=test.raw_NC))
    assert metrics["test_published_accuracy"] == pytest.approx(1 - wrong / 40)
    assert "test_published_accuracy" not in assess_test(_scores(1), _scores(2), beta=beta, rule=usual(beta)).metrics


@pytest.mark.parametrize("field", ["head_NC", "nearest_NC", "cosines_NK"])
def test_scores_that_are_not_finite_are_seen(field: str) -> None:
    scores = _scores(0)
    broken = getattr(scores, field).copy()
    broken[3, 1] = np.nan
    assert scores.are_finite
    assert not replace(scores, **{field: broken}).are_finite


@pytest.mark.parametrize("rule", ["head", "nearest", "neighbours", "mixture"])
def test_the_rule_of_the_search_decides_the_test_metrics_and_the_confusion(rule: Rule) -> None:
    test = _scores(2)
    assessment = assess_test(_scores(1), test, beta=0.4, rule=rule)
    assert assessment.metrics["test_accuracy"] == assessment.metrics[f"test_{rule}_accuracy"]
    counts_CC = np.array(assessment.confusion)
    assert counts_CC.trace() / counts_CC.sum() == pytest.approx(assessment.metrics["test_accuracy"])


@pytest.mark.parametrize("rule", ["neighbours", "mixture"])
def test_no_validation_row_has_a_part_in_the_choice_by_which_it_is_scored(rule: Rule) -> None:
    validation = _scores(1)
    scores_NC = cross_fitted(rule, validation, beta=0.4)
    for row in range(0, len(validation.labels_N), 7):
        labels_N = validation.labels_N.copy()
        labels_N[row] = (labels_N[row] + 1) % C
        again_NC = cross_fitted(rule, replace(validation, labels_N=labels_N), beta=0.4)
        assert (again_NC[row % 2 :: 2] == scores_NC[row % 2 :: 2]).all()


@pytest.mark.parametrize("rule", ["head", "nearest", "neighbours", "mixture"])
def test_a_single_validation_row_can_be_scored(rule: Rule) -> None:
    assert cross_fitted(rule, _scores(1).at(np.array([3])), beta=0.4).shape == (1, C)


@pytest.mark.parametrize("rule", ["head", "nearest", "neighbours", "mixture"])
def test_the_temperature_is_that_of_the_validation_rows_whatever_the_test_rows_are(rule: Rule) -> None:
    validation, test = _scores(1), _scores(2)
    found = assess_test(validation, test, beta=0.5, rule=rule).confidences
    other = assess_test(validation, replace(test, labels_N=(test.labels_N + 1) % C), beta=0.5, rule=rule).confidences
    assert found is not None
    assert other is not None
    scores_NC = np.asarray(cross_fitted(rule, validation, beta=0.5), dtype=np.float64)
    logits_NC = np.log(scores_NC) if rule == "mixture" else scores_NC
    assert found.temperature == other.temperature == fitted_temperature(logits_NC, validation.labels_N).temperature
    without = assess_test(None, test, beta=0.5, rule=rule).confidences
    assert without is not None
    assert without.temperature is None, "no rows are left to fit it to"
    assert not any(name.startswith(TEMPERED) for name in without.names)


@pytest.mark.parametrize("rule", ["head", "nearest", "mixture"])
def test_confidences_are_those_of_the_judged_rule(rule: Rule) -> None:
    validation, test = _scores(1), _scores(2)
    found = assess_test(validation, test, beta=0.5, rule=rule)
    assert found.confidences is not None
    assert found.predicted is not None
    values = found.confidences.values()
    if rule == "mixture":
        mixture = choose_mixture(validation.head_NC, validation.nearest_NC, validation.labels_N)
        probabilities_NC = mixture.probabilities(test.head_NC, test.nearest_NC)
    else:
        probabilities_NC = np.array([_probabilities(row_C) for row_C in getattr(test, f"{rule}_NC").tolist()])
    np.testing.assert_allclose(values["confidence"], probabilities_NC.max(axis=1), atol=5e-5)
    np.testing.assert_allclose(values["true"], probabilities_NC[np.arange(40), test.labels_N], atol=5e-5)
    np.testing.assert_allclose(values["nearness"], test.nearest_NC.max(axis=1), atol=1e-3)
