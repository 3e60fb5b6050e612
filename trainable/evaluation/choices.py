"""What the rules of inference leave open, chosen on rows that trained nothing: how many neighbours vote, and a mixture.

Shapes: N rows, K nearest training rows (the nearest first), C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import log

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_NEIGHBOURS", "Mixture", "choose_mixture", "choose_neighbours", "neighbour_scores"]

Floats = NDArray[np.floating]
Labels = NDArray[np.int64]

_NEIGHBOURS = (1, 3, 5, 9, 15, 25)
MOST_NEIGHBOURS = _NEIGHBOURS[-1]
_WEIGHTS = tuple(n / 20 for n in range(20, -1, -1))
_TEMPERATURES = tuple(10 ** (n / 2 - 2) for n in range(9))  # 0.01 to 100: for cosines as well as for scaled scores


@dataclass(frozen=True, slots=True)
class Mixture:
    """The mixture weight * softmax(head) + (1 - weight) * softmax(nearest / temperature) of class probabilities.

    arXiv 2211.15202 mixes them so, with the training's beta as the weight and temperature 1.

    weight: share of the head, from 0 to 1.
    temperature: divides the scores of the nearest proxy or centroid.
    """

    weight: float
    temperature: float

    def probabilities(self, head_NC: Floats, nearest_NC: Floats) -> NDArray[np.float64]:
        """Return probabilities_NC; each row sums to 1."""
        return self.weight * _softmax(head_NC) + (1 - self.weight) * _softmax(nearest_NC / self.temperature)


def choose_mixture(
    head_NC: Floats, nearest_NC: Floats, labels_N: Labels, weights_N: NDArray[np.float64] | None = None
) -> Mixture:
    """Return the mixture that classifies most rows correctly.

    weights_N: how much each row counts, 1 on average; None: all alike.

    Ties go to the lowest negative log-likelihood, and then to the simplest mixture: the weight nearest to 0 or 1 (one
    rule alone), then the temperature nearest to 1.
    """
    weights_N = np.ones(len(labels_N)) if weights_N is None else weights_N
    head_probabilities_NC = _softmax(head_NC)
    nearest_NC_by_temperature = {temperature: _softmax(nearest_NC / temperature) for temperature in _TEMPERATURES}

    def complexity(mixture: Mixture) -> tuple[float, float]:
        return min(mixture.weight, 1 - mixture.weight), abs(log(mixture.temperature))

    def errors(mixture: Mixture) -> tuple[float, float]:
        nearest_probabilities_NC = nearest_NC_by_temperature[mixture.temperature]
        mixed_NC = mixture.weight * head_probabilities_NC + (1 - mixture.weight) * nearest_probabilities_NC
        true_N = mixed_NC[np.arange(len(labels_N)), labels_N]
        wrong = float((weights_N * (mixed_NC.argmax(axis=1) != labels_N)).sum())
        nll = -float((weights_N * np.log(np.maximum(true_N, np.finfo(np.float64).tiny))).mean())
        return round(wrong, 9), round(nll, 12)  # so that what differs in its last bits only is a tie

    mixtures = [Mixture(weight, temperature) for weight, temperature in product(_WEIGHTS, _TEMPERATURES)]
    return min(sorted(mixtures, key=complexity), key=errors)


def choose_neighbours(
    cosines_NK: Floats,
    neighbours_NK: Labels,
    labels_N: Labels,
    num_classes: int,
    weights_N: NDArray[np.float64] | None = None,
) -> int:
    """Return the number of neighbours whose vote classifies most rows correctly; ties go to the smallest number.

    weights_N: as of `choose_mixture`.
    """
    weights_N = np.ones(len(labels_N)) if weights_N is None else weights_N

    def correct(k: int) -> float:
        predictions_N = neighbour_scores(cosines_NK, neighbours_NK, k, num_classes).argmax(axis=1)
        return round(float((weights_N * (predictions_N == labels_N)).sum()), 9)

    return max((k for k in _NEIGHBOURS if k <= neighbours_NK.shape[1]), key=correct)


def neighbour_scores(cosines_NK: Floats, neighbours_NK: Labels, k: int, num_classes: int) -> NDArray[np.float64]:
    """Return scores_NC: each class's votes among the `k` nearest training rows, plus their similarities as a tie-break.

    Similarities add up to less than one vote, so they decide only between classes with equally many votes.
    """
    num_rows = len(neighbours_NK)
    votes_NK = 1 + (1 + cosines_NK[:, :k].astype(np.float64)) / 2 / (k + 1)
    places_NK = np.arange(num_rows)[:, None] * num_classes + neighbours_NK[:, :k]
    votes = np.bincount(places_NK.ravel(), votes_NK.ravel(), minlength=num_rows * num_classes)
    votes_NC: NDArray[np.float64] = votes.reshape(num_rows, num_classes).astype(np.float64, copy=False)
    return votes_NC


def _softmax(scores_NC: Floats) -> NDArray[np.float64]:
    powers_NC = np.exp(scores_NC.astype(np.float64) - scores_NC.max(axis=1, keepdims=True))
    probabilities_NC: NDArray[np.float64] = powers_NC / powers_NC.sum(axis=1, keepdims=True)
    return probabilities_NC
