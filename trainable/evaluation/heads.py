"""Small classifiers on fixed embeddings. In every score larger = nearer.

Shapes: N rows to score, M training rows, C classes, S of them with training rows, D embedding size.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trainable.evaluation.assessment import neighbour_scores

__all__ = [
    "Classifier",
    "centroid_head",
    "class_centroids",
    "fitted_logistic",
    "fitted_svm",
    "logistic_head",
    "neighbours_head",
    "prior_shift",
    "spread_scores",
    "svm_head",
]

Floats = NDArray[np.floating]
Labels = NDArray[np.int64]

_WEIGHTS = {True: "balanced", False: None}  # as scikit-learn names them

Classifier: TypeAlias = Callable[[Floats], NDArray[np.float64]]
"""Called as classifier(embeddings_ND) -> scores_NC. A class without training rows never has the highest score."""


def logistic_head(
    train_MD: Floats, labels_M: Labels, num_classes: int, *, C: float, normalise: bool, balanced: bool = False
) -> Classifier:
    """Fit a multinomial logistic regression with an L2 penalty; its scores are log-probabilities.

    balanced: whether a row weighs inversely to the number of rows of its class.
    A class without training rows gets the probability 1 / (M + C), which is below that of the likeliest class.
    """
    scaled = _unit if normalise else _unchanged
    unseen = -np.log(len(labels_M) + num_classes)
    present = np.unique(labels_M)
    if len(present) == 1:
        return lambda embeddings_ND: spread_scores(np.zeros((len(embeddings_ND), 1)), present, num_classes, unseen)
    model = fitted_logistic(train_MD, labels_M, C=C, normalise=normalise, balanced=balanced)
    return lambda embeddings_ND: spread_scores(
        model.predict_log_proba(scaled(embeddings_ND)), present, num_classes, unseen
    )


def fitted_logistic(train_MD: Floats, labels_M: Labels, *, C: float, normalise: bool, balanced: bool = False) -> Any:
    """Fit scikit-learn's LogisticRegression to rows of at least two classes."""
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

    model = LogisticRegression(C=C, max_iter=1000, class_weight=_WEIGHTS[balanced])
    return _fitted(model, (_unit if normalise else _unchanged)(train_MD), labels_M)


def fitted_svm(train_MD: Floats, labels_M: Labels, *, C: float, normalise: bool, balanced: bool = False) -> Any:
    """Fit scikit-learn's SVC with a linear kernel to rows of at least two classes."""
    from sklearn.svm import SVC  # type: ignore[import-untyped]

    model = SVC(C=C, kernel="linear", class_weight=_WEIGHTS[balanced])
    return _fitted(model, (_unit if normalise else _unchanged)(train_MD), labels_M)


def prior_shift(learned_C: Labels, pool_C: Labels) -> NDArray[np.float64]:
    """Return shift_C, which turns log-probabilities learned where classes are as frequent as in the first counts into
    those where they are as frequent as in the pool (Saerens et al., 2002, doi:10.1162/089976602753284446, equation
    2.4).

    learned_C, pool_C: numbers of rows. A class without training rows is not shifted: nothing was learned of it.
    """
    seen_C = learned_C > 0
    shift_C = np.zeros(len(learned_C))
    shares_C = pool_C[seen_C] / pool_C[seen_C].sum()
    shift_C[seen_C] = np.log(shares_C) - np.log(learned_C[seen_C] / learned_C.sum())
    return shift_C


def svm_head(
    train_MD: Floats, labels_M: Labels, num_classes: int, *, C: float, normalise: bool, balanced: bool = False
) -> Classifier:
    """Fit a linear support vector machine; its scores are the votes of its pairwise classifiers, with their margins
    as a tie-break."""
    scaled = _unit if normalise else _unchanged
    present = np.unique(labels_M)
    if len(present) == 1:
        return lambda embeddings_ND: spread_scores(np.zeros((len(embeddings_ND), 1)), present, num_classes, -1.0)
    model = fitted_svm(train_MD, labels_M, C=C, normalise=normalise, balanced=balanced)

    def scores(embeddings_ND: Floats) -> NDArray[np.float64]:
        margins = model.decision_function(scaled(embeddings_ND))
        margins_NS = np.stack([-margins, margins], axis=1) if margins.ndim == 1 else margins
        return spread_scores(margins_NS, present, num_classes, margins_NS.min(axis=1, keepdims=True) - 1.0)

    return scores


def centroid_head(
    train_MD: Floats, labels_M: Labels, num_classes: int, names_CD: Floats | None = None, *, weight: float = 0.0
) -> Classifier:
    """Score by the cosine to each class's centroid, the mean of its normalised rows (Snell et al., 2017).

    names_CD: embeddings of the classes' names. Each counts as `weight` rows of its class, which then has a centroid
        without any row too.
    """
    rows_C = np.bincount(labels_M, minlength=num_classes)
    present = np.arange(num_classes) if names_CD is not None else np.flatnonzero(rows_C)
    centroids_SD = class_centroids(train_MD, labels_M, num_classes, names_CD, weight=weight)[present]
    return lambda embeddings_ND: spread_scores(_unit(embeddings_ND) @ centroids_SD.T, present, num_classes, -1.0)


def class_centroids(
    train_MD: Floats, labels_M: Labels, num_classes: int, names_CD: Floats | None = None, *, weight: float = 0.0
) -> NDArray[np.float64]:
    """Return centroids_CD of length 1, as `centroid_head` takes them; zeros for a class without rows or name."""
    sums_CD = np.zeros((num_classes, train_MD.shape[1]))
    np.add.at(sums_CD, labels_M, _unit(train_MD))
    if names_CD is not None:
        sums_CD += weight * _unit(names_CD)
    return _unit(sums_CD)


def neighbours_head(train_MD: Floats, labels_M: Labels, num_classes: int, *, neighbours: int) -> Classifier:
    """Score by the votes of the nearest training rows, at most all of them."""
    directions_MD = _unit(train_MD)
    k = min(neighbours, len(labels_M))

    def scores(embeddings_ND: Floats) -> NDArray[np.float64]:
        cosines_NM = _unit(embeddings_ND) @ directions_MD.T
        nearest_NK = np.argsort(-cosines_NM, axis=1, kind="stable")[:, :k]
        return neighbour_scores(
            np.take_along_axis(cosines_NM, nearest_NK, axis=1), labels_M[nearest_NK], k, num_classes
        )

    return scores


def _fitted(model: Any, rows_MD: Floats, labels_M: Labels) -> Any:
    """Rows that a hyperplane separates have no best weights without a penalty: an end after `max_iter` is an end."""
    from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(rows_MD, labels_M)


def spread_scores(scores_NS: Floats, present: Labels, num_classes: int, unseen: float | Floats) -> NDArray[np.float64]:
    """Return scores_NC with the score `unseen` (of all rows, or one of each) for every class without training rows."""
    scores_NC = np.full((len(scores_NS), num_classes), unseen, dtype=np.float64)
    scores_NC[:, present] = scores_NS
    return scores_NC


def _unit(rows_ND: Floats) -> NDArray[np.float64]:
    lengths_N1 = np.linalg.norm(rows_ND.astype(np.float64), axis=1, keepdims=True)
    unit_ND: NDArray[np.float64] = rows_ND / np.maximum(lengths_N1, 1e-12)
    return unit_ND


def _unchanged(rows_ND: Floats) -> NDArray[np.float64]:
    return rows_ND.astype(np.float64)
