"""The arrays of heads that are kept.

Shapes: M training rows, C classes, D embedding size.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from trainable.classifier import Classifier
from trainable.priors import LearnsFrom, configured_shift

if TYPE_CHECKING:
    from trainable.recipes.entry import Trial

__all__ = ["by_centroids", "by_neighbours", "linear_arrays", "shift"]


def by_centroids(made: Classifier, centroids_CD: NDArray[np.float64]) -> Classifier:
    arrays = made.arrays | {"centroids": torch.from_numpy(centroids_CD).float()}
    return replace(made, head={"kind": "centroids"}, arrays=arrays)


def by_neighbours(
    made: Classifier, rows_MD: NDArray[np.float32], labels_M: NDArray[np.int64], count: int
) -> Classifier:
    arrays = {"rows": torch.from_numpy(rows_MD), "labels": torch.from_numpy(labels_M)}
    return replace(made, head={"kind": "neighbours", "count": count}, arrays=made.arrays | arrays)


def linear_arrays(model: Any, shift_C: NDArray[np.float64] | float, *, pairs: bool) -> dict[str, torch.Tensor]:
    """Return the arrays of a linear model of scikit-learn; one of two classes has weights for the second alone."""
    weight, bias = np.array(model.coef_, dtype=np.float64), np.array(model.intercept_, dtype=np.float64)
    if len(weight) == 1 and not pairs:
        half = 1.0 if hasattr(model, "support_") else 0.5  # margins of an SVM, log-odds of a logistic regression
        weight, bias = half * np.concatenate([-weight, weight]), half * np.concatenate([-bias, bias])
    arrays = {"weight": torch.from_numpy(weight).float(), "bias": torch.from_numpy(bias + shift_C).float()}
    if pairs:
        classes = len(model.classes_)
        places = [(first, second) for first in range(classes) for second in range(first + 1, classes)]
        arrays["pairs"] = torch.tensor(places)
    return arrays


def shift(trial: Trial, by: LearnsFrom) -> NDArray[np.float64] | float:
    if trial.config.priors == "draw":
        return 0.0
    labels_N, classes = trial.data.pool.labels_N, len(trial.data.class_names)
    return configured_shift(trial.config, labels_N[trial.samples[0].train], labels_N, classes, by=by)
