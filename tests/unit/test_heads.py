"""Small classifiers on fixed embeddings, against slow references: loops, and scikit-learn where the fit is its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.neighbors import KNeighborsClassifier  # type: ignore[import-untyped]
from sklearn.svm import SVC  # type: ignore[import-untyped]

from trainable.evaluation.heads import Classifier, centroid_head, logistic_head, neighbours_head, svm_head

D = 6  # embedding size

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
Fit = Callable[[Floats, Labels, int], Classifier]

HEADS: dict[str, Fit] = {
    "logistic_regression": partial(logistic_head, C=1.0, normalise=True),
    "logistic_regression, as they are": partial(logistic_head, C=100.0, normalise=False),
    "linear_svm": partial(svm_head, C=1.0, normalise=True),
    "linear_svm, as they are": partial(svm_head, C=100.0, normalise=False),
    "centroid": centroid_head,
    "neighbours": partial(neighbours_head, neighbours=3),
    "more neighbours than rows": partial(neighbours_head, neighbours=1000),
}
EVERY = pytest.mark.parametrize("fit", HEADS.values(), ids=HEADS)

DRAWS = {
    "four classes": [0, 1, 2, 3] * 4,
    "two classes": [0, 1] * 4,
    "classes of one row": [0, 1, 2, 3],
    "unequal classes": [0, 0, 0, 0, 0, 1, 2, 3],
    "the first class is absent": [1, 2, 3] * 3,
    "one in the middle is absent": [0, 2, 3] * 3,
    "only two of four are present": [3, 1] * 3,
}
EVERY_DRAW = pytest.mark.parametrize("labels", DRAWS.values(), ids=DRAWS)


def draw(labels: list[int], seed: int = 0) -> tuple[Floats, Labels]:
    """Rows around one direction for each class, of different lengths."""
    generator, labels_M = np.random.default_rng(seed), np.array(labels)
    rows_MD = 2 * np.eye(D)[labels_M] + 0.7 * generator.normal(size=(len(labels), D))
    return (rows_MD * generator.uniform(0.5, 3, size=(len(labels), 1))).astype(np.float32), labels_M


def rows(seed: int = 1) -> Floats:
    return draw([0, 1, 2, 3] * 10, seed)[0]


def classes(labels: list[int]) -> int:
    return 2 if max(labels) == 1 else 4


def unit(row_D: Any) -> list[float]:
    length = math.sqrt(sum(float(value) ** 2 for value in row_D))
    return [float(value) / length for value in row_D]


def cosine(one_D: Any, other_D: Any) -> float:
    return sum(left * right for left, right in zip(unit(one_D), unit(other_D), strict=True))


# ---- what all of them must do ----------------------------------------------------------------------------------------


@EVERY
@EVERY_DRAW
def test_scores_are_finite_and_a_class_that_is_absent_from_the_draw_never_wins(fit: Fit, labels: list[int]) -> None:
    scores_NC = fit(*draw(labels), classes(labels))(rows())
    assert scores_NC.shape == (40, classes(labels))
    assert scores_NC.dtype == np.float64
    assert np.isfinite(scores_NC).all()
    absent = sorted(set(range(classes(labels))) - set(labels))
    if absent:
        present = sorted(set(labels))
        assert (scores_NC[:, absent].max(axis=1) < scores_NC[:, present].max(axis=1)).all()


@EVERY
def test_one_class_alone_is_always_the_answer(fit: Fit) -> None:
    for label in range(4):
        scores_NC = fit(*draw([label] * 3), 4)(np.concatenate([rows(), -rows(), np.zeros((1, D), np.float32)]))
        assert np.isfinite(scores_NC).all()
        assert (scores_NC.argmax(axis=1) == label).all()


@EVERY
@pytest.mark.parametrize("labels", [labels for name, labels in DRAWS.items() if name != "unequal classes"], ids=str)
def test_the_classes_of_rows_that_lie_apart_are_found(fit: Fit, labels: list[int]) -> None:
    train_MD, labels_M = (5 * np.eye(D)[labels]).astype(np.float32), np.array(labels)
    assert (fit(train_MD, labels_M, classes(labels))(train_MD).argmax(axis=1) == labels_M).all()


@EVERY
def test_rows_that_are_zero_train_and_are_scored(fit: Fit) -> None:
    train_MD, labels_M = draw(DRAWS["four classes"])
    train_MD[::5] = 0
    scores_NC = fit(train_MD, labels_M, 4)(np.concatenate([rows(), np.zeros((2, D), np.float32)]))
    assert np.isfinite(scores_NC).all()
    nothing = fit(np.zeros((8, D), np.float32), np.array([0, 1, 2, 3] * 2), 4)
    assert np.isfinite(nothing(rows())).all()


@EVERY
@EVERY_DRAW
def test_the_score_of_a_row_does_not_depend_on_the_rows_beside_it(fit: Fit, labels: list[int]) -> None:
    classifier = fit(*draw(labels), classes(labels))
    together_NC = classifier(rows())
    for row in (0, 7, 39):
        np.testing.assert_allclose(classifier(rows()[[row]]), together_NC[[row]], rtol=1e-9, atol=1e-9)


@EVERY
@EVERY_DRAW
def test_the_same_fit_twice_is_the_same_to_the_last_bit(fit: Fit, labels: list[int]) -> None:
    first_NC, again_NC = (fit(*draw(labels), classes(labels))(rows()) for _ in range(2))
    np.testing.assert_array_equal(first_NC, again_NC)


@EVERY
def test_what_it_is_given_stays_as_it_was(fit: Fit) -> None:
    train_MD, labels_M = draw(DRAWS["four classes"])
    before_MD, scored_ND = train_MD.copy(), rows()
    fit(train_MD, labels_M, 4)(scored_ND)
    np.testing.assert_array_equal(train_MD, before_MD)
    np.testing.assert_array_equal(scored_ND, rows())


# ---- each against its reference --------------------------------------------------------------------------------------


@EVERY_DRAW
def test_centroids_are_means_of_directions(labels: list[int]) -> None:
    train_MD, labels_M = draw(labels)
    scores_NC = centroid_head(train_MD, labels_M, classes(labels))(rows())
    for row_D, scores_C in zip(rows(), scores_NC, strict=True):
        for label in range(classes(labels)):
            members = [unit(train_MD[at]) for at in range(len(labels)) if labels[at] == label]
            centroid_D = [sum(values) / len(members) for values in zip(*members, strict=True)]
            assert scores_C[label] == pytest.approx(cosine(row_D, centroid_D) if members else -1.0, abs=1e-6)


@EVERY_DRAW
@pytest.mark.parametrize("neighbours", [1, 3, 5, 100])
def test_the_nearest_rows_vote_and_nearness_decides_between_equals(labels: list[int], neighbours: int) -> None:
    train_MD, labels_M = draw(labels)
    k = min(neighbours, len(labels))
    predictions_N = neighbours_head(train_MD, labels_M, classes(labels), neighbours=neighbours)(rows()).argmax(axis=1)
    for row_D, predicted in zip(rows(), predictions_N.tolist(), strict=True):
        nearest = sorted(range(len(labels)), key=lambda at: -cosine(row_D, train_MD[at]))[:k]
        votes = {label: [cosine(row_D, train_MD[at]) for at in nearest if labels[at] == label] for label in labels}
        ranks = {label: (len(cosines), sum(1 + each for each in cosines)) for label, cosines in votes.items()}
        assert ranks[predicted] == max(ranks.values())


def test_one_neighbour_is_that_of_scikit_learn() -> None:
    train_MD, labels_M = draw(DRAWS["four classes"])
    theirs = KNeighborsClassifier(n_neighbors=1, metric="cosine").fit(train_MD, labels_M)
    ours_N = neighbours_head(train_MD, labels_M, 4, neighbours=1)(rows()).argmax(axis=1)
    np.testing.assert_array_equal(ours_N, theirs.predict(rows()))


@EVERY_DRAW
@pytest.mark.parametrize("normalise", [True, False])
def test_a_logistic_regression_is_that_of_scikit_learn(labels: list[int], normalise: bool) -> None:
    train_MD, labels_M = draw(labels)
    scores_NC = logistic_head(train_MD, labels_M, classes(labels), C=10.0, normalise=normalise)(rows())
    theirs = LogisticRegression(C=10.0, max_iter=1000).fit(prepared(train_MD, normalise), labels_M)
    np.testing.assert_allclose(
        scores_NC[:, theirs.classes_], theirs.predict_log_proba(prepared(rows(), normalise)), rtol=1e-6, atol=1e-6
    )
    absent = sorted(set(range(classes(labels))) - set(labels))
    np.testing.assert_allclose(scores_NC[:, absent], -math.log(len(labels) + classes(labels)))


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
def test_the_weights_of_a_logistic_regression_are_at_the_minimum_of_its_objective(normalise: bool, C: float) -> None:
    """The gradient of C * cross-entropy + |W|^2 / 2 vanishes: sum over rows of C (p - y) x, plus w, for each class."""
    train_MD, labels_M = draw(DRAWS["four classes"])
    classifier = logistic_head(train_MD, labels_M, 4, C=C, normalise=normalise)
    probe_ND = np.concatenate([np.eye(D), np.zeros((1, D))])  # of length 1, and the zero row, which shows the biases
    scores_NC = classifier(probe_ND.astype(np.float32))
    weights_DC = scores_NC[:D] - scores_NC[D]
    weights_DC -= weights_DC.mean(axis=1, keepdims=True)  # log-probabilities tell weights up to a shift of all classes
    residuals_MC = np.exp(classifier(train_MD)) - np.eye(4)[labels_M]
    gradient_DC = C * prepared(train_MD, normalise).T @ residuals_MC + weights_DC
    np.testing.assert_allclose(gradient_DC, 0, atol=2e-3 * max(1.0, C))


@EVERY_DRAW
@pytest.mark.parametrize("normalise", [True, False])
def test_an_svm_answers_as_that_of_scikit_learn(labels: list[int], normalise: bool) -> None:
    train_MD, labels_M = draw(labels)
    scores_NC = svm_head(train_MD, labels_M, classes(labels), C=10.0, normalise=normalise)(rows())
    theirs = SVC(C=10.0, kernel="linear").fit(prepared(train_MD, normalise), labels_M)
    margins_N = theirs.decision_function(prepared(rows(), normalise))
    if margins_N.ndim == 1:  # two classes: one margin, positive for the second
        np.testing.assert_allclose(scores_NC[:, theirs.classes_[1]], margins_N)
        np.testing.assert_allclose(scores_NC[:, theirs.classes_[0]], -margins_N)
        np.testing.assert_array_equal(scores_NC.argmax(axis=1), theirs.predict(prepared(rows(), normalise)))
    else:
        np.testing.assert_allclose(scores_NC[:, theirs.classes_], margins_N)


def prepared(rows_ND: Floats, normalise: bool) -> NDArray[np.float64]:
    return np.array([unit(row_D) if normalise else row_D for row_D in rows_ND.astype(np.float64)])
