"""Variance components of scores: between configurations, and between initialisations.

Shapes: N draws, T trials, R replicates.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["configuration_variance", "rest_variance", "seed_variance"]


def configuration_variance(scores_TR: ArrayLike) -> float | None:
    """Variance between T configurations, of their scores on R common draws; None for fewer than two of either.

    Two-way random effects without repetition, by the method of moments: (mean square of configurations - mean square of
    the residuals) / R; a negative estimate counts as 0.
    """
    scores_TR = np.atleast_2d(np.asarray(scores_TR, dtype=np.float64))
    trials, replicates = scores_TR.shape
    if trials < 2 or replicates < 2:
        return None
    rest = rest_variance(scores_TR)
    assert rest is not None, "there are two of either"
    between = replicates * scores_TR.mean(axis=1).var(ddof=1)
    return max(0.0, float((between - rest) / replicates))


def rest_variance(scores_TR: ArrayLike) -> float | None:
    """Variance of what neither the configuration nor the draw explains, by the same method; None likewise. Twice that
    is the variance of the paired difference of two configurations on a draw."""
    scores_TR = np.atleast_2d(np.asarray(scores_TR, dtype=np.float64))
    trials, replicates = scores_TR.shape
    if trials < 2 or replicates < 2:
        return None
    rest_TR = scores_TR - scores_TR.mean(axis=1, keepdims=True) - scores_TR.mean(axis=0) + scores_TR.mean()
    return float((rest_TR**2).sum() / ((trials - 1) * (replicates - 1)))


def seed_variance(first_N: ArrayLike, second_N: ArrayLike) -> float | None:
    """Variance of the initialisation, from N draws trained with two initialisations; None for fewer than two draws.

    It is half the mean squared difference of the two scores of a draw.
    """
    differences_N = np.asarray(first_N, dtype=np.float64) - np.asarray(second_N, dtype=np.float64)
    return float((differences_N**2).mean() / 2) if differences_N.size > 1 else None
