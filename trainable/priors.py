"""How frequent a trained classifier takes the classes to be, and what makes it assume the configured priors.

A head that is trained by cross-entropy learns how frequent classes are in its batches, and a logistic regression how
frequent they are among the rows that it is fitted to, each row counting by the weight of its class.

Shapes: M training rows, N rows of the pool, C classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trainable.batching import balanced_rows
from trainable.evaluation.heads import prior_shift
from trainable.losses import LOSSES

if TYPE_CHECKING:
    from trainable.config import TrialConfig

__all__ = ["LearnsFrom", "are_balanced", "batch_rows", "configured_shift"]

LearnsFrom: TypeAlias = Literal["batches", "draw"]
"""What a classifier is trained on: the batches of a trained encoder, or the rows of a draw at once."""

Labels = NDArray[np.int64]


def are_balanced(config: TrialConfig) -> bool:
    """Whether the batches of draws that do not fit into one are balanced over the classes."""
    if config.batches != "auto":
        return config.batches == "balanced"
    return LOSSES[config.fine_tuned_with.name].needs_pairs and config.beta < 1


def batch_rows(config: TrialConfig, labels_M: Labels, num_classes: int) -> Labels:
    """Return rows_C, how many rows of each class an encoder is trained on for each other class's: those of the draw, or
    those of balanced batches where it is cut into such."""
    if are_balanced(config) and len(labels_M) > config.batch_size:
        return balanced_rows(labels_M, config.batch_size, num_classes)
    return np.bincount(labels_M, minlength=num_classes)


def configured_shift(
    config: TrialConfig, labels_M: Labels, pool_N: Labels, num_classes: int, *, by: LearnsFrom
) -> NDArray[np.float64]:
    """Return shift_C, which is added to the scores of a classifier so that they assume the configured priors.

    labels_M, pool_N: classes of the training rows and of all rows that draws are taken from. by: what it learns from.
    """
    if config.priors == "draw":
        return np.zeros(num_classes)
    drawn_C = np.bincount(labels_M, minlength=num_classes)
    learned_C = batch_rows(config, labels_M, num_classes) if by == "batches" else drawn_C
    if config.class_weights == "balanced":
        learned_C = (drawn_C > 0).astype(np.int64)
    return prior_shift(learned_C, np.bincount(pool_N, minlength=num_classes))
