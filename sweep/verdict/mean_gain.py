"""The mean gain of a method over several datasets, with an interval for these and one for others like them.

On these datasets, draws and test rows are the sample, and the variances of the datasets' means add up. For others like
them the datasets are the sample too: the datasets' means, whose spread has the uncertainty of draws and rows in it,
are held against each other by Student's t. With few datasets that is wide, since they say little of others. Datasets
weigh as much as they have comparisons; the variance is that of a ratio of means (Cochran, 1977, Sampling Techniques,
section 6.4).

Shapes: D datasets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sweep.verdict.statistics import LEVEL

__all__ = ["DatasetGain", "MeanGain", "mean_gain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetGain:
    """A method's mean gain on one dataset.

    comparisons: how many it is the mean of.
    mean: of their mean differences.
    variance, freedom: of the mean over draws and test rows, and its degrees of freedom.
    """

    comparisons: int
    mean: float
    variance: float
    freedom: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanGain:
    """A mean over all comparisons.

    here: interval at 95 % on these datasets. others: on datasets like these; for a single one, as `here`.
    """

    mean: float
    here: tuple[float, float]
    others: tuple[float, float]


def mean_gain(gains_D: Sequence[DatasetGain]) -> MeanGain:
    """The mean over at least one dataset."""
    means_D, sizes_D = np.array([each.mean for each in gains_D]), np.array([each.comparisons for each in gains_D])
    weights_D = sizes_D / sizes_D.sum()
    mean = float(weights_D @ means_D)
    parts_D = weights_D**2 * np.array([each.variance for each in gains_D])
    variance, spread = float(parts_D.sum()), float((parts_D**2 / [each.freedom for each in gains_D]).sum())
    here = _interval(mean, variance, variance**2 / spread if spread > 0 else 1.0)
    count = len(gains_D)
    if count == 1:
        return MeanGain(mean=mean, here=here, others=here)
    between = float(((weights_D * (means_D - mean)) ** 2).sum()) * count / (count - 1)
    return MeanGain(mean=mean, here=here, others=_interval(mean, between, count - 1))


def _interval(mean: float, variance: float, freedom: float) -> tuple[float, float]:
    from scipy import special

    reach = float(-special.stdtrit(freedom, LEVEL / 2) * np.sqrt(variance))
    return mean - reach, mean + reach
