"""How the embeddings of labelled rows, and the proxies of a loss, lie on the unit sphere.

Shapes: N rows, D embedding size, C classes, P proxies, K of them for a class.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["COMPARED", "PREFIX", "embedding_geometry", "proxy_geometry"]

PREFIX = "geometry_"
"""What the names of these numbers begin with among the metrics of an evaluation."""
COMPARED = 2_000
"""Rows of which every two are compared; of more, so many at equal distances."""

Floats = NDArray[np.floating]


def embedding_geometry(embeddings_ND: Floats, labels_N: NDArray[np.int64]) -> dict[str, float]:
    """Return, of embeddings scaled to length 1, as far as they are defined:

    - `class_ratio`: the mean distance of two rows of a class over the mean distance of the centres of two classes
      (Roth et al., 2020, arXiv:2002.08473); smaller = tighter classes;
    - `alignment`: the mean squared distance of two rows of a class, and `uniformity`: the logarithm of the mean of
      exp(-2 d^2) over the distances d of any two rows (Wang & Isola, 2020, arXiv:2005.10242); smaller = better, both.
    """
    chosen = np.linspace(0, len(labels_N) - 1, min(COMPARED, len(labels_N))).astype(np.int64)
    unit_ND, labels_N = _unit(embeddings_ND[chosen]), labels_N[chosen]
    squared_NN = np.maximum(2 - 2 * unit_ND @ unit_ND.T, 0.0)
    other_NN = ~np.eye(len(labels_N), dtype=np.bool_)
    same_NN = (labels_N[:, None] == labels_N[None, :]) & other_NN
    centres_CD = np.stack([unit_ND[labels_N == label].mean(axis=0) for label in np.unique(labels_N)])
    found = {}
    if same_NN.any():
        found["alignment"] = float(squared_NN[same_NN].mean())
    if other_NN.any():
        found["uniformity"] = float(np.log(np.exp(-2 * squared_NN[other_NN]).mean()))
    between = _between(centres_CD)
    if same_NN.any() and between:
        found["class_ratio"] = _within(np.sqrt(squared_NN), same_NN, labels_N) / between
    return found


def proxy_geometry(proxies_PD: Floats, embeddings_ND: Floats, num_classes: int) -> dict[str, float]:
    """Return `proxies_used`, the share of the proxies that are the nearest of all to at least one row, and
    `proxy_cosine`, the mean cosine between two proxies of one class, 1 where they have become one; only where a class
    has several.

    proxies_PD: those of a class one after the other, equally many of each.
    """
    unit_PD = _unit(proxies_PD)
    nearest_N = (_unit(embeddings_ND) @ unit_PD.T).argmax(axis=1)
    found = {"proxies_used": len(np.unique(nearest_N)) / len(unit_PD)}
    of_class_CKD = unit_PD.reshape(num_classes, -1, unit_PD.shape[1])
    several = of_class_CKD.shape[1]
    if several > 1:
        total = float((of_class_CKD.sum(axis=1) ** 2).sum()) - len(unit_PD)  # a proxy's cosine to itself is 1
        found["proxy_cosine"] = total / (num_classes * several * (several - 1))
    return found


def _within(distance_NN: NDArray[np.float64], same_NN: NDArray[np.bool_], labels_N: NDArray[np.int64]) -> float:
    """The mean distance of two rows of a class, as a mean over the classes that have two."""
    means = [
        distance_NN[labels_N == label][same_NN[labels_N == label]].mean()
        for label in np.unique(labels_N)
        if np.count_nonzero(labels_N == label) > 1
    ]
    return float(np.mean(means))


def _between(centres_CD: NDArray[np.float64]) -> float:
    """The mean distance of two centres; 0 where there is one."""
    count = len(centres_CD)
    if count < 2:
        return 0.0
    distance_CC = np.linalg.norm(centres_CD[:, None] - centres_CD[None, :], axis=2)
    return float(distance_CC.sum() / (count * (count - 1)))


def _unit(rows_ND: Floats) -> NDArray[np.float64]:
    rows_ND = rows_ND.astype(np.float64)
    unit_ND: NDArray[np.float64] = rows_ND / np.maximum(np.linalg.norm(rows_ND, axis=1, keepdims=True), 1e-12)
    return unit_ND
