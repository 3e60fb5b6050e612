"""How far rows are from the centre of their class, or of all rows, in the frozen embedding space, and parts of equally
many rows.

Shapes: N rows, D embedding size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sweep.explain.slices import Slice

__all__ = ["centre_distances", "distance_slices", "mean_distances"]

_PARTS, _LEAST = 10, 10

Floats = NDArray[np.floating]


def centre_distances(unit_ND: Floats, labels_N: NDArray[np.int64]) -> NDArray[np.float64]:
    """distance_N: 1 minus the cosine of each row to the mean of the other rows of its class, since a row would pull the
    mean of a small class towards itself; NaN for the only row of a class.

    unit_ND: embeddings of length 1.
    """
    distance_N = np.full(len(labels_N), np.nan)
    for label in np.unique(labels_N):
        own = np.flatnonzero(labels_N == label)
        if len(own) > 1:
            others_MD = unit_ND[own].sum(axis=0) - unit_ND[own]
            length_M = np.maximum(np.linalg.norm(others_MD, axis=1), 1e-12)
            distance_N[own] = 1 - (unit_ND[own] * others_MD).sum(axis=1) / length_M
    return distance_N


def mean_distances(unit_ND: Floats) -> NDArray[np.float64]:
    """distance_N: 1 minus the cosine of each row to the mean of all rows, which knows no labels; the measure of the
    notebooks of arXiv:2211.15195, there with lengths.

    unit_ND: embeddings of length 1.
    """
    mean_D = unit_ND.mean(axis=0)
    distance_N: NDArray[np.float64] = 1 - unit_ND @ mean_D / max(float(np.linalg.norm(mean_D)), 1e-12)
    return distance_N


def distance_slices(distance_T: NDArray[np.float64]) -> tuple[Slice, ...]:
    """Ten parts of equally many rows, the nearest first; fewer where a part would have less than ten rows, and none
    where there are not even two."""
    known = np.flatnonzero(~np.isnan(distance_T))
    count = min(_PARTS, len(known) // _LEAST)
    if count < 2:
        return ()
    order = known[np.argsort(distance_T[known], kind="stable")]
    return tuple(_slice(distance_T, rows) for rows in np.array_split(order, count))


def _slice(distance_T: NDArray[np.float64], rows: NDArray[np.int64]) -> Slice:
    rows_T = np.zeros(len(distance_T), dtype=np.bool_)
    rows_T[rows] = True
    low, high = distance_T[rows].min(), distance_T[rows].max()
    return Slice(kind="distance", name=f"{low:.2f} to {high:.2f}", rows_T=rows_T)
