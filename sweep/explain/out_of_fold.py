"""A frozen classifier that says of every labelled row what models say that have not trained on it.

Shapes: R repetitions, N rows, M other rows, C classes, D embedding size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sweep.explain.votes import UNTESTED
from trainable.evaluation.heads import logistic_head
from trainable.folds import stratified_folds

__all__ = ["FOLDS", "frozen_probabilities", "out_of_fold", "said_of"]

FOLDS = 5
_PENALTY = 10.0
_REPETITIONS, _FEWER = 10, 2
_MANY = 2_000  # rows from which on fewer repetitions do: a row's probability then hardly depends on the cut

Floats = NDArray[np.floating]
Labels = NDArray[np.int64]


def out_of_fold(embeddings_ND: Floats, labels_N: Labels, classes: int) -> NDArray[np.float64]:
    """probabilities_RNC of a logistic regression on normalised embeddings, each row's by one of its fold's complement.

    The rows are cut into stratified folds again and again. The only row of a class is never held out: its probabilities
    are NaN.
    """
    generator = np.random.default_rng(0)
    repetitions = _REPETITIONS if len(labels_N) < _MANY else _FEWER
    found_RNC = np.full((repetitions, len(labels_N), classes), np.nan)
    for number in range(repetitions):
        folds_N = stratified_folds(labels_N, FOLDS, generator)
        for fold in range(FOLDS):
            held_N = folds_N == fold
            if held_N.any():
                rest_N = ~held_N
                found_RNC[number, held_N] = frozen_probabilities(
                    embeddings_ND[rest_N], labels_N[rest_N], classes, embeddings_ND[held_N]
                )
    return found_RNC


def frozen_probabilities(
    embeddings_ND: Floats, labels_N: Labels, classes: int, others_MD: Floats
) -> NDArray[np.float64]:
    """probabilities_MC of other rows, by a logistic regression that is fitted to these."""
    head = logistic_head(embeddings_ND, labels_N, classes, C=_PENALTY, normalise=True)
    return _proportions(np.exp(head(others_MD)))


def said_of(probabilities_RNC: NDArray[np.float64]) -> Labels:
    """said_RN: the most probable class of each row, as `Votes` takes it."""
    known_RN = ~np.isnan(probabilities_RNC[:, :, 0])
    said_RN: Labels = np.where(known_RN, np.nan_to_num(probabilities_RNC).argmax(axis=2), UNTESTED)
    return said_RN


def _proportions(scores_MC: NDArray[np.float64]) -> NDArray[np.float64]:
    """A class that a fold's complement lacks has a probability beside those of the others: they sum to 1 again."""
    proportions_MC: NDArray[np.float64] = scores_MC / scores_MC.sum(axis=1, keepdims=True)
    return proportions_MC
