"""Embeddings drawn in a plane: by their principal components, which keep distances as far as two numbers can, and by
t-SNE, which keeps neighbours and neither distances nor sizes of groups.

Shapes: N rows, D embedding size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEAST", "MOST", "Maps", "evenly", "maps"]

LEAST, MOST = 5, 600
"""How many rows are drawn: of more than `MOST`, so many at equal distances; of less than `LEAST`, none."""
_PERPLEXITY, _SEED = 30.0, 0

Plane = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Maps:
    """Rows in two planes.

    components_N2: by principal components.
    share: of the variance that these have.
    neighbours_N2: by t-SNE (van der Maaten & Hinton, 2008, JMLR 9), started at the principal components, with a fixed
        seed.
    """

    components_N2: Plane
    share: float
    neighbours_N2: Plane


def evenly(rows_N: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return `MOST` of the rows at equal distances, or all where there are no more."""
    return rows_N[np.linspace(0, len(rows_N) - 1, min(MOST, len(rows_N))).astype(np.int64)]


def maps(embeddings_ND: NDArray[np.float64]) -> Maps | None:
    """Draw the rows in both planes; None for fewer than `LEAST`. The same rows give the same numbers."""
    from sklearn.decomposition import PCA  # type: ignore[import-untyped]
    from sklearn.manifold import TSNE  # type: ignore[import-untyped]
    from threadpoolctl import threadpool_limits

    if len(embeddings_ND) < LEAST:
        return None
    with threadpool_limits(1):  # sums that are split among threads differ in their last bits, and then everywhere
        components = PCA(n_components=2, svd_solver="full").fit(embeddings_ND)
        perplexity = min(_PERPLEXITY, (len(embeddings_ND) - 1) / 3)
        neighbours = TSNE(n_components=2, perplexity=perplexity, init="pca", random_state=_SEED)
        neighbours_N2 = neighbours.fit_transform(embeddings_ND)
        return Maps(
            components_N2=components.transform(embeddings_ND),
            share=float(components.explained_variance_ratio_.sum()),
            neighbours_N2=np.asarray(neighbours_N2, dtype=np.float64),
        )
