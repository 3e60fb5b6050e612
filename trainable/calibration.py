"""Whether probabilities agree with what is right, and the temperature with which they do best.

Shapes: N rows, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Calibration", "calibration_error", "effective_rows", "fitted_temperature"]

_TEMPERATURES = np.exp(np.linspace(np.log(0.01), np.log(100), 400))
_COARSE = 20
_BINS = 10  # of equal width


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How well probabilities agree with what is right, on rows that trained nothing, before and after a temperature.

    rows: how many.
    temperature: what scores are divided by.
    loss_before, loss_after: mean negative log-likelihood, in nats.
    error_before, error_after: expected calibration error over ten bins of equal width (Guo et al., 2017:
        arXiv:1706.04599).
    """

    rows: int
    temperature: float
    loss_before: float
    loss_after: float
    error_before: float
    error_after: float


def fitted_temperature(
    scores_NC: NDArray[np.float64], labels_N: NDArray[np.int64], weights_N: NDArray[np.float64] | None = None
) -> Calibration:
    """Return the temperature, of 400 from 0.01 to 100, with the lowest mean negative log-likelihood.

    weights_N: how much each row counts in it and in the figures, 1 on average; None: all alike.

    Rows that are all classified correctly would make every probability 1: as if one more row of N + 2 were wrong, a
    label counts 1 - 1 / (N + 2), and the other classes share the rest (Platt, 1999, for two classes).
    """
    weights_N = np.ones(len(labels_N)) if weights_N is None else weights_N
    doubt = 1 / (effective_rows(weights_N) + 2)
    near = _best(range(0, len(_TEMPERATURES), _COARSE), scores_NC, labels_N, weights_N, doubt)
    around = range(max(0, near - _COARSE), min(len(_TEMPERATURES), near + _COARSE + 1))  # the loss has one minimum
    best = float(_TEMPERATURES[_best(around, scores_NC, labels_N, weights_N, doubt)])
    return Calibration(
        rows=len(labels_N),
        temperature=best,
        loss_before=_loss(scores_NC, labels_N, weights_N),
        loss_after=_loss(scores_NC / best, labels_N, weights_N),
        error_before=calibration_error(scores_NC, labels_N, weights_N),
        error_after=calibration_error(scores_NC / best, labels_N, weights_N),
    )


def effective_rows(weights_N: NDArray[np.float64]) -> float:
    """Return the number of rows of equal weight whose mean is as sure as that of these (Kish, 1965, Survey Sampling):
    N where all weigh the same."""
    return float(weights_N.sum() ** 2 / (weights_N**2).sum())


def _best(
    places: Sequence[int],
    scores_NC: NDArray[np.float64],
    labels_N: NDArray[np.int64],
    weights_N: NDArray[np.float64],
    doubt: float,
) -> int:
    return min(places, key=lambda place: _loss(scores_NC / _TEMPERATURES[place], labels_N, weights_N, doubt))


def calibration_error(
    scores_NC: NDArray[np.float64],
    labels_N: NDArray[np.int64],
    weights_N: NDArray[np.float64] | None = None,
) -> float:
    """Return the expected calibration error: the mean gap, over bins of confidence, between confidence and accuracy.

    weights_N: as of `fitted_temperature`.
    """
    probabilities_NC = np.exp(_log_softmax(scores_NC))
    confidence_N, right_N = probabilities_NC.max(axis=1), probabilities_NC.argmax(axis=1) == labels_N
    places_N = np.clip(np.ceil(confidence_N * _BINS).astype(int) - 1, 0, _BINS - 1)
    gaps_N = (confidence_N - right_N) * (1.0 if weights_N is None else weights_N)
    return float(np.abs(np.bincount(places_N, weights=gaps_N)).sum() / len(labels_N))


def _loss(
    scores_NC: NDArray[np.float64], labels_N: NDArray[np.int64], weights_N: NDArray[np.float64], doubt: float = 0.0
) -> float:
    log_NC = _log_softmax(scores_NC)
    true_N = log_NC[np.arange(len(labels_N)), labels_N]
    others = max(1, scores_NC.shape[1] - 1)
    return float(-(weights_N * ((1 - doubt) * true_N + doubt / others * (log_NC.sum(axis=1) - true_N))).mean())


def _log_softmax(scores_NC: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted_NC = scores_NC - scores_NC.max(axis=1, keepdims=True)
    found_NC: NDArray[np.float64] = shifted_NC - np.log(np.exp(shifted_NC).sum(axis=1, keepdims=True))
    return found_NC
