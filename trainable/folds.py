"""Stratified folds: the one way in which labelled rows are cut into parts that take turns.

Shapes: M rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["stratified_folds"]


def stratified_folds(labels_M: NDArray[np.int64], folds: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return the fold of each row, from 0 to `folds` - 1; -1 for the only row of a class, which is never held out.

    The rows of each class are shuffled and dealt out in turn, each class beginning where the last one ended. So folds
    differ by one row of a class at most and by one row in all, and how many rows of a class a fold has does not depend
    on the generator.
    """
    places_M = np.full(len(labels_M), -1, dtype=np.int64)
    order_M = generator.permutation(len(labels_M))
    dealt = 0
    for label in np.unique(labels_M):
        own = order_M[labels_M[order_M] == label]
        if len(own) > 1:
            places_M[own] = (dealt + np.arange(len(own))) % folds
            dealt += len(own)
    return places_M
