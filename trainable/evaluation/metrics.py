"""Metrics of predicted classes. Shapes: N rows, C classes, L = C * C."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["classification_metrics", "confusion_matrix", "cross_entropy"]


def classification_metrics(
    labels_N: NDArray[np.int64], predictions_N: NDArray[np.int64], num_classes: int
) -> dict[str, float]:
    """Return `accuracy`, `macro_f1` and `weighted_f1`, each from 0 to 1. N must be at least 1.

    macro_f1 is the unweighted mean of F1 over the classes that occur among labels or predictions; weighted_f1 weights
    each class by its number of labels. The F1 of a class without a correct prediction is 0.
    """
    confusion_CC = confusion_matrix(labels_N, predictions_N, num_classes)
    correct_C, labelled_C, predicted_C = confusion_CC.diagonal(), confusion_CC.sum(axis=1), confusion_CC.sum(axis=0)
    occurs_C = labelled_C + predicted_C > 0
    f1_C = 2 * correct_C / np.maximum(labelled_C + predicted_C, 1)
    return {
        "accuracy": float(correct_C.sum() / len(labels_N)),
        "macro_f1": float(f1_C[occurs_C].mean()),
        "weighted_f1": float(f1_C @ labelled_C / len(labels_N)),
    }


def confusion_matrix(
    labels_N: NDArray[np.int64], predictions_N: NDArray[np.int64], num_classes: int
) -> NDArray[np.int64]:
    """Return counts_CC: the number of rows by class (first axis) and predicted class (second axis)."""
    counts_L = np.bincount(labels_N * num_classes + predictions_N, minlength=num_classes**2)
    return counts_L.reshape(num_classes, num_classes)


def cross_entropy(scores_NC: NDArray[np.floating], labels_N: NDArray[np.int64]) -> float:
    """Return the mean negative log-likelihood of the labels under softmax(scores), in nats."""
    shifted_NC = scores_NC.astype(np.float64) - scores_NC.max(axis=1, keepdims=True)
    true_N = shifted_NC[np.arange(len(labels_N)), labels_N]
    return float((np.log(np.exp(shifted_NC).sum(axis=1)) - true_N).mean())
