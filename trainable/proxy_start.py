"""Proxies that start at the centroids of a draw's rows, instead of at random.

Shapes: M training rows, C classes, K proxies of each class, D embedding size.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

__all__ = ["start_at_centroids"]

_APART = 0.1
"""Length of the random vectors by which proxies of one centroid differ, relative to the centroid's."""


def start_at_centroids(
    metric_loss: nn.Module, embeddings_MD: Tensor, labels_M: Tensor, num_classes: int, seed: int
) -> None:
    """Turn the proxies of each class towards the centroids of its rows; a class without rows keeps random ones.

    Several proxies of a class start at the centres that k-means finds among its normalised rows, at most one for each
    row; further proxies start near one of these. Each proxy keeps its random length, which only decides how fast a
    learning rate turns it.
    """
    directions_MD = F.normalize(embeddings_MD.float(), dim=1).cpu().numpy()
    labels = labels_M.cpu().numpy()
    proxies_CKD = _proxies(metric_loss, num_classes, embeddings_MD.shape[1])
    generator = np.random.default_rng(seed)
    with torch.no_grad():
        for label in np.unique(labels):
            centres_KD = _centres(directions_MD[labels == label], proxies_CKD.shape[1], generator)
            placed_KD = F.normalize(torch.from_numpy(centres_KD).to(proxies_CKD), dim=1)
            proxies_CKD[label] = placed_KD * proxies_CKD[label].norm(dim=1, keepdim=True)


def _proxies(metric_loss: nn.Module, num_classes: int, size: int) -> Tensor:
    """Return a view of the module's one parameter as proxies_CKD. Libraries keep them as rows or as columns."""
    module: Any = metric_loss
    (weight,) = module.parameters()
    rows = weight.data if hasattr(module, "proxies") else weight.data.T
    proxies_CKD: Tensor = rows.unflatten(0, (num_classes, -1))
    assert proxies_CKD.shape[2] == size, "each proxy is as long as an embedding"
    return proxies_CKD


def _centres(rows_RD: NDArray[np.float32], count: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Return centres_KD of the rows of one class."""
    from sklearn.cluster import KMeans  # type: ignore[import-untyped]

    distinct = len(np.unique(rows_RD, axis=0))
    clusters = min(count, distinct)
    state = int(generator.integers(2**31))
    found = rows_RD.mean(axis=0, keepdims=True)
    if clusters > 1:
        found = KMeans(clusters, n_init=1, random_state=state).fit(rows_RD).cluster_centers_
    centres_KD = found[np.arange(count) % len(found)]
    apart_KD = generator.normal(size=centres_KD.shape)
    apart_KD *= (
        _APART * np.linalg.norm(centres_KD, axis=1, keepdims=True) / np.linalg.norm(apart_KD, axis=1, keepdims=True)
    )
    apart_KD[: len(found)] = 0.0
    placed_KD: NDArray[np.float32] = (centres_KD + apart_KD).astype(np.float32)
    return placed_KD
