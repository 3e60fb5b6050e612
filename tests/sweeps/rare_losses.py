"""Differences of two classifiers that answer nearly all rows alike.

Shapes: N draws, T test rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["rarely_worse"]


def rarely_worse(
    draws: int, rows: int, rng: np.random.Generator, *, loss: float = 0.01, chance: float = 0.002
) -> NDArray[np.float64]:
    """differences_NT of two classifiers of which the one is wrong, in all draws, on this share of all rows.

    loss: the share of rows, of which a sample of few mostly has none. chance: the share of answers, of the other rows,
    that differ by chance, to either side alike.
    """
    flips_NT = rng.choice([-1.0, 0.0, 1.0], p=[chance / 2, 1 - chance, chance / 2], size=(draws, rows))
    found_NT: NDArray[np.float64] = np.where(rng.random(rows) < loss, -1.0, flips_NT)
    return found_NT
