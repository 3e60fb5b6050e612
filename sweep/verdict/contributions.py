"""What each test row contributes to a score: the score is the mean of the contributions.

Accuracy is such a mean. The F1 scores are not, so a row contributes the score plus its influence on it: how the score
would change if the row weighed more (the infinitesimal jackknife: Efron & Stein, 1981, doi:10.1214/aos/1176345462).

In macro F1 every class counts alike, and a class of one row has the F1 of that row, whatever it weighs: the row would
have no influence, and its luck would go unseen. So a row is compared with a mixture of the F1 of its class and of the
mean of all classes, the latter with the weight min(1, 3 / n) in a class of n test rows. Surveys put strata of one unit
together with others for the same reason (collapsed strata: Cochran, 1977, Sampling Techniques, section 5A.12).

Shapes: T test rows, C classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["contributions"]

Labels = NDArray[np.int64]


def contributions(
    metric: str,
    labels_T: Labels,
    predicted_T: Labels,
    num_classes: int,
    weights_T: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """The contribution of each row to `accuracy`, `macro_f1` or `weighted_f1`, as shares.

    weights_T: how often each row counts, 1 on average, in the score and in its mean; None: once.
    """
    right_T: NDArray[np.float64] = (labels_T == predicted_T).astype(np.float64)
    if metric == "accuracy":
        return right_T
    weights_T = np.ones(len(labels_T)) if weights_T is None else weights_T
    labelled_C = np.bincount(labels_T, weights=weights_T, minlength=num_classes)
    sums_C = labelled_C + np.bincount(predicted_T, weights=weights_T, minlength=num_classes)
    hits_C = np.bincount(labels_T, weights=weights_T * right_T, minlength=num_classes)
    occurs_C = sums_C > 0
    divisors_C = np.where(occurs_C, sums_C, 1.0)
    f1_C = 2 * hits_C / divisors_C
    if metric == "macro_f1":
        weights_C, own_C = occurs_C / occurs_C.sum(), np.zeros(num_classes)
        score = float(f1_C[occurs_C].mean())
        against_C = f1_C + _pooled(np.bincount(labels_T, minlength=num_classes)) * (score - f1_C)
    else:
        weights_C, own_C, against_C = labelled_C / len(labels_T), f1_C / len(labels_T), f1_C
        score = float(f1_C @ weights_C)
    # The change of a class's F1 by the weight of a row that is labelled so, and of one that is predicted so.
    by_class_C, by_hit_C = -weights_C * against_C / divisors_C, 2 * weights_C / divisors_C
    change_T = by_class_C[labels_T] + by_class_C[predicted_T] + right_T * by_hit_C[labels_T] + own_C[labels_T]
    change_T = change_T - (weights_T * change_T).mean()
    changed_T: NDArray[np.float64] = score + len(labels_T) * change_T
    return changed_T


def _pooled(rows_C: NDArray[np.int64]) -> NDArray[np.float64]:
    """The weight of the mean of all classes, by the number of a class's test rows; 0 for a class that has none, of
    which no row is right by luck."""
    found_C: NDArray[np.float64] = np.where(rows_C > 0, 3 / np.maximum(rows_C, 3), 0.0)
    return found_C
