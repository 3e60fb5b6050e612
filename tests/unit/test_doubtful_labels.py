"""Doubtful labels on planted data: what is ranked first, what counts as a model, and rows of which nothing is known."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from numpy.typing import NDArray

from sweep.explain.doubtful import nearest, ranked
from sweep.explain.label_quality import label_quality
from sweep.explain.out_of_fold import out_of_fold, said_of
from sweep.explain.votes import UNTESTED, Votes
from trainable.evaluation.heads import logistic_head

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@pytest.fixture(scope="module")
def clusters() -> tuple[Floats, Labels, Labels]:
    """90 rows in three clear groups, of which three have a planted wrong label: embeddings, labels, places."""
    rng = np.random.default_rng(0)
    labels_N = np.arange(90) % 3
    unit_ND = np.eye(3)[labels_N] + 0.15 * rng.normal(size=(90, 3))
    wrong = np.array([4, 31, 77])
    labels_N[wrong] = (labels_N[wrong] + 1) % 3
    return unit_ND / np.linalg.norm(unit_ND, axis=1, keepdims=True), labels_N, wrong


def test_planted_labels_come_first_by_the_frozen_classifier_alone(clusters: tuple[Floats, Labels, Labels]) -> None:
    unit_ND, labels_N, wrong = clusters
    probabilities_RNC = out_of_fold(unit_ND, labels_N, 3)
    votes = Votes(classes=3, by_arm={"frozen": said_of(probabilities_RNC)})
    found = ranked(votes, probabilities_RNC.mean(axis=0), labels_N)
    assert {each.row for each in found[:3]} == set(wrong.tolist())
    assert sorted(each.row for each in found) == list(range(90)), "every row is ranked"
    for each in found[:3]:
        assert each.disputed
        assert each.said == (each.label - 1) % 3
        assert each.saying == each.models == len(probabilities_RNC)
    assert not any(each.disputed for each in found[3:])


def test_a_row_never_speaks_for_itself() -> None:
    rng = np.random.default_rng(1)
    noise_ND, labels_N = rng.normal(size=(80, 200)), rng.integers(2, size=80)
    probabilities_RNC = out_of_fold(noise_ND, labels_N, 2)
    assert probabilities_RNC.sum(axis=2) == pytest.approx(1)
    in_sample = logistic_head(noise_ND, labels_N, 2, C=10.0, normalise=True)(noise_ND).argmax(axis=1)
    assert (in_sample == labels_N).all(), "a model says what it was fitted to, even of noise"
    assert (said_of(probabilities_RNC) == labels_N).mean() == pytest.approx(0.5, abs=0.2)


def test_arms_count_once_however_many_models_they_have() -> None:
    many, one = np.zeros((9, 2), dtype=np.int64), np.ones((1, 2), dtype=np.int64)
    one[0, 1] = UNTESTED
    votes = Votes(classes=2, by_arm={"many": many, "one": one})
    assert votes.shares() == pytest.approx(np.array([[0.5, 0.5], [1.0, 0.0]]))
    assert (votes.models(0), votes.models(0, 1), votes.models(1)) == (10, 1, 9)
    assert (votes.arms(0), votes.arms(0, 1), votes.arms(1), votes.arms(1, 1)) == (2, 1, 1, 0)


def test_doubt_is_what_the_docstring_says() -> None:
    votes = Votes(classes=2, by_arm={"a": np.array([[1], [1], [0], [1]])})
    (only,) = ranked(votes, np.array([[0.1, 0.9]]), np.array([0]))
    assert only.doubt == pytest.approx(1 - (0.25 + 0.1) / 2)
    assert only.probability == pytest.approx(0.1)
    assert (only.said, only.saying, only.models) == (1, 3, 4)


def test_the_only_row_of_a_class_is_ranked_last_and_by_nobody(clusters: tuple[Floats, Labels, Labels]) -> None:
    unit_ND, labels_N, _ = clusters
    labels_N = labels_N.copy()
    labels_N[5] = 3
    probabilities_RNC = out_of_fold(unit_ND, labels_N, 4)
    assert np.isnan(probabilities_RNC[:, 5]).all()
    silent = Votes(classes=4, by_arm={"frozen": said_of(probabilities_RNC)})
    last = ranked(silent, probabilities_RNC.mean(axis=0), labels_N)[-1]
    assert (last.row, last.said, last.doubt, last.models, last.disputed) == (5, None, None, 0, False)
    asked = np.full((1, 90), UNTESTED)
    asked[0, 5] = 2
    votes = Votes(classes=4, by_arm={**silent.by_arm, "arm": asked})
    found = {each.row: each for each in ranked(votes, probabilities_RNC.mean(axis=0), labels_N)}
    assert (found[5].said, found[5].doubt, found[5].probability) == (2, 1.0, None)


def test_the_nearest_rows_of_a_class_leave_the_row_itself_out(clusters: tuple[Floats, Labels, Labels]) -> None:
    unit_ND, labels_N, _ = clusters
    for label in range(3):
        found = list(nearest(unit_ND, labels_N, 4, label))
        every = sorted(
            (-float(unit_ND[4] @ unit_ND[row]), row) for row in range(90) if row != 4 and labels_N[row] == label
        )
        assert [row for row, _ in found] == [row for _, row in every[:2]]
        assert [cosine for _, cosine in found] == pytest.approx([-cosine for cosine, _ in every[:2]])
    assert list(nearest(unit_ND, labels_N, 4, 9)) == []


@pytest.mark.lengthy
@pytest.mark.skipif(find_spec("cleanlab") is None, reason="needs the extra `explain`")
def test_cleanlab_flags_what_was_planted(clusters: tuple[Floats, Labels, Labels]) -> None:
    unit_ND, labels_N, wrong = clusters
    probability_NC = out_of_fold(unit_ND, labels_N, 3).mean(axis=0)
    found = label_quality(probability_NC, labels_N)
    assert found is not None
    assert np.flatnonzero(found.flagged_N).tolist() == wrong.tolist()
    assert found.score_N == pytest.approx(probability_NC[np.arange(90), labels_N])
    probability_NC[5] = np.nan
    found = label_quality(probability_NC, labels_N)
    assert found is not None
    assert np.isnan(found.score_N[5])
    assert not found.flagged_N[5]
