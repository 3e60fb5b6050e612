"""The statistics of a verdict, over plain arrays. Distributions and resampling are scipy's.

Shapes: N draws, K arms, D datasets, T trials, R replicates.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Difference", "Ranks", "Summary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """n scores: their mean, standard deviation (n - 1; 0 for one score) and bootstrap interval of the mean at 95 %."""

    n: int
    mean: float
    sd: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """n paired differences: mean, sd, bootstrap interval of the mean at 95 %, and the two-sided p-value of a sign-flip
    permutation test."""

    n: int
    mean: float
    sd: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """Average ranks of the losses over datasets (1 is best), Friedman's p-value, and Nemenyi's critical difference at 5 %
    (Demsar, 2006): two losses whose average ranks differ by less cannot be told apart."""

    losses: tuple[str, ...]
    average: tuple[float, ...]
    datasets: int
    p_value: float
    critical_difference: float
