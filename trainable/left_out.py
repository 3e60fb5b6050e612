"""Labelled rows that trained nothing: what they choose and calibrate, and how well they are answered.

Shapes: N rows, M training rows, C classes, K nearest rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainable.calibration import Calibration, fitted_temperature
from trainable.evaluation.assessment import Mixture, Scores, choose_mixture, choose_neighbours, cross_fitted
from trainable.evaluation.scoring import rule_of
from trainable.kept import Chosen

if TYPE_CHECKING:
    from trainable.config import TrialConfig

__all__ = ["Answers", "LeftOut", "answered", "calibrated", "chosen", "fold_of", "row_weights"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What labelled rows are taken for by a classifier that they did not train.

    labels_N, predicted_N: their classes, and what they are taken for.
    training_N: by which training; the same number for all of them where one classifier answers.
    trained: about how many rows a training had.
    kept: whether it is the kept classifier that answers, rather than others like it.
    weights_N: how much each row counts, 1 on average; None: all alike.
    """

    labels_N: NDArray[np.int64]
    predicted_N: NDArray[np.int64]
    training_N: NDArray[np.int64]
    trained: int
    kept: bool
    weights_N: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Rows that a training left out.

    labels_N: their classes.
    scores_NC: by the classifier that is kept of all other rows; empty where the rule leaves something open.
    by_rule: their scores by every rule, where it does.
    """

    labels_N: NDArray[np.int64]
    scores_NC: NDArray[np.float64]
    by_rule: Scores | None = None


def chosen(config: TrialConfig, left_out: Sequence[LeftOut], counts_C: NDArray[np.int64]) -> Chosen:
    """Choose what the rule of inference leaves open on rows that trained nothing; without such rows, one neighbour and
    the mixture of arXiv:2211.15202. counts_C: of all rows."""
    found = _joined(left_out, counts_C)
    if found is None:
        return Chosen(mixture=Mixture(config.beta, 1.0))
    classes = found.nearest_NC.shape[1]
    return Chosen(
        neighbours=choose_neighbours(found.cosines_NK, found.neighbours_NK, found.labels_N, classes, found.weights_N),
        mixture=choose_mixture(found.head_NC, found.nearest_NC, found.labels_N, found.weights_N),
    )


def calibrated(config: TrialConfig, left_out: Sequence[LeftOut], counts_C: NDArray[np.int64]) -> Calibration | None:
    """Return the calibration on rows that trained nothing; None where there are none. counts_C: of all rows."""
    if not left_out:
        return None
    scores_NC = _scores(config, left_out, counts_C)
    if rule_of(config) == "mixture":  # of whose probabilities the kept classifier gives the logarithms
        scores_NC = np.log(np.maximum(scores_NC, np.finfo(np.float32).tiny))
    labels_N = _labels(left_out)
    return fitted_temperature(scores_NC, labels_N, row_weights(labels_N, counts_C))


def answered(config: TrialConfig, left_out: Sequence[LeftOut], counts_C: NDArray[np.int64]) -> Answers | None:
    """Return what each row is taken for by the training that left it out; None where there are none. counts_C: of all
    rows."""
    if not left_out:
        return None
    sizes = [len(each.labels_N) for each in left_out]
    trained = int(counts_C.sum()) - round(float(np.mean(sizes)))
    labels_N = _labels(left_out)
    return Answers(
        labels_N=labels_N,
        predicted_N=_scores(config, left_out, counts_C).argmax(axis=1).astype(np.int64),
        training_N=np.repeat(np.arange(len(sizes)), sizes),
        trained=trained,
        kept=trained == 0,  # no row trains it, so that it is the same
        weights_N=row_weights(labels_N, counts_C),
    )


def row_weights(labels_N: NDArray[np.int64], counts_C: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how much each scored row counts, 1 on average, so that classes are as frequent as among all rows.

    counts_C: of all rows.

    Where one of five folds is scored, it holds one row of a class of two, which is half of them, but a fifth of a large
    class: without weights rare classes would count for too much. A class of which no row is scored counts for nothing.
    """
    scored_C = np.bincount(labels_N, minlength=len(counts_C))
    times_N = counts_C[labels_N] / scored_C[labels_N]
    weights_N: NDArray[np.float64] = times_N / times_N.mean()
    return weights_N


def fold_of(labels_M: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each row, with equally many rows of a class in each; -1 for the only row of a class, which
    always trains."""
    places_M = np.full(len(labels_M), -1)
    order_M = np.random.default_rng(seed).permutation(len(labels_M))
    for label in np.unique(labels_M):
        own = order_M[labels_M[order_M] == label]
        if len(own) > 1:
            places_M[own] = np.arange(len(own)) % folds
    return places_M


def _labels(left_out: Sequence[LeftOut]) -> NDArray[np.int64]:
    return np.concatenate([each.labels_N for each in left_out])


def _scores(config: TrialConfig, left_out: Sequence[LeftOut], counts_C: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the scores of all rows. What the rule leaves open is chosen on other rows than those that it scores."""
    found = _joined(left_out, counts_C)
    if found is None:
        return np.concatenate([each.scores_NC for each in left_out])
    return np.asarray(cross_fitted(rule_of(config), found, beta=config.beta), dtype=np.float64)


def _joined(left_out: Sequence[LeftOut], counts_C: NDArray[np.int64]) -> Scores | None:
    parts = [each.by_rule for each in left_out if each.by_rule is not None]
    if not parts:
        return None
    width = min(part.cosines_NK.shape[1] for part in parts)
    labels_N = np.concatenate([part.labels_N for part in parts])
    return Scores(
        labels_N=labels_N,
        weights_N=row_weights(labels_N, counts_C),
        head_NC=np.concatenate([part.head_NC for part in parts]),
        nearest_NC=np.concatenate([part.nearest_NC for part in parts]),
        cosines_NK=np.concatenate([part.cosines_NK[:, :width] for part in parts]),
        neighbours_NK=np.concatenate([part.neighbours_NK[:, :width] for part in parts]),
    )
