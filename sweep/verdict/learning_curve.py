"""The learning curve of a method: what it would reach with more labels than were compared.

A power law, as learning curves have (Hestness et al., 2017, arXiv:1712.00409): the error falls by the same share with
each doubling of the labels. With errors e' and e at two numbers of labels that lie D doublings apart, F doublings on:

    error(F) = e (e / e')^(F / D)

Intervals have the uncertainty of both errors (delta method), and what real curves differ from the law by
(`tests/benchmarks/learning_curves.py`).

Shapes: K = 2 numbers of labels, N draws, T test rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log2, sqrt

import numpy as np
from numpy.typing import NDArray

from sweep.verdict.crossed import covariance
from sweep.verdict.model import Arm, Comparison

__all__ = ["Expected", "LearningCurve", "alike", "expected_score", "learning_curve", "more_labels"]

_SPREAD = 0.25  # how far the real gain lay from the expected one, as a share of it: one standard deviation
_REACH = 1.96
_FURTHEST = 3.0  # doublings: further on, nobody has tried whether the intervals hold


@dataclass(frozen=True, slots=True)
class Expected:
    """A score or a gain that is expected, as a share, with its interval at 95 %."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurve:
    """What is known of a method at two numbers of labels.

    fewer, most: the comparisons with them.
    errors: e' and e.
    covariance_KK: of these two.
    """

    fewer: Comparison
    most: Comparison
    errors: tuple[float, float]
    covariance_KK: NDArray[np.float64]

    @property
    def doublings(self) -> float:
        """Of the labels, from one to the other."""
        return log2(self.most.per_unit / self.fewer.per_unit)

    def doubled(self) -> Expected:
        """The gain by twice the labels."""
        return more_labels(*self.errors, self.covariance_KK, self.doublings)

    def score_at(self, labels: float) -> Expected | None:
        """The score with so many labels, per class or in all, as the comparisons count them. None for no more than were
        compared, and for more than eight times as many."""
        further = log2(max(1e-6, labels) / self.most.per_unit)
        if not 0 < further <= _FURTHEST:
            return None
        return expected_score(*self.errors, self.covariance_KK, self.doublings, further)


def alike(comparisons: Iterable[Comparison], one: Comparison) -> list[Comparison]:
    """Those that differ from one of them in nothing but the number of labels."""
    kind = (one.dataset, one.sampling, one.others)
    return [each for each in comparisons if (each.dataset, each.sampling, each.others) == kind]


def learning_curve(comparisons: Sequence[Comparison], method: str) -> LearningCurve | None:
    """The curve of a method from the two largest numbers of labels at which it has a score; None if it has but one, or
    one of a single draw, which nobody knows how far to trust.

    comparisons: on one dataset, and at one value of the other axes.
    """
    points = [(each, each.arm(method)) for each in sorted(comparisons, key=lambda each: each.per_unit)]
    scored = [(each, arm, arm.summary) for each, arm in points if arm is not None and arm.summary is not None]
    if len(scored) < 2:
        return None
    (fewer, earlier, before), (most, latest, after) = scored[-2:]
    if min(before.n, after.n) < 2 or most.per_unit <= fewer.per_unit:  # "at most 8" may be all that there is
        return None
    errors = 1 - before.mean, 1 - after.mean
    return LearningCurve(fewer=fewer, most=most, errors=errors, covariance_KK=_covariance_of(earlier, latest))


def more_labels(fewer: float, most: float, covariance_KK: NDArray[np.float64], doublings: float = 1.0) -> Expected:
    """The gain of twice the labels: e - error(1).

    fewer, most: the errors e' and e. covariance_KK: of these two. doublings: D.
    """
    few, many = max(1e-6, fewer), max(1e-6, most)
    ratio, share = _ratio(few, many, 1 / doublings), 1 / doublings
    gain = many * (1 - ratio)
    slopes_K = np.array([share * ratio * many / few, 1 - (1 + share) * ratio])
    reach = _reach(slopes_K, covariance_KK, gain)
    return Expected(gain, max(0.0, gain - reach), min(many, gain + reach))


def expected_score(
    fewer: float, most: float, covariance_KK: NDArray[np.float64], doublings: float, further: float
) -> Expected:
    """The score 1 - error(F).

    fewer, most: the errors e' and e. covariance_KK: of these two. doublings, further: D and F.
    """
    few, many = max(1e-6, fewer), max(1e-6, most)
    share = further / doublings
    ratio = _ratio(few, many, share)
    score = 1 - many * ratio
    slopes_K = np.array([share * ratio * many / few, -(1 + share) * ratio])
    reach = _reach(slopes_K, covariance_KK, many * (1 - ratio))
    return Expected(score, max(0.0, score - reach), min(1.0, score + reach))


def _ratio(few: float, many: float, share: float) -> float:
    return float(min(1.0, many / few) ** share)  # more labels are not expected to do harm


def _reach(slopes_K: NDArray[np.float64], covariance_KK: NDArray[np.float64], gain: float) -> float:
    variance = float(slopes_K @ covariance_KK @ slopes_K) + (_SPREAD * gain) ** 2
    return _REACH * sqrt(max(0.0, variance))


def _covariance_of(fewer: Arm, most: Arm) -> NDArray[np.float64]:
    """The covariances of two arms' means, over the draws and rows that both have; without them, as if independent."""
    places = [place for place in fewer.rows_by_draw if place in most.rows_by_draw]
    sizes = {len(arm.rows_by_draw[place]) for arm in (fewer, most) for place in places}
    if len(places) >= 2 and len(sizes) == 1 and sizes.pop() >= 2:
        return covariance(np.stack([[arm.rows_by_draw[place] for place in places] for arm in (fewer, most)]))
    found = [arm.summary for arm in (fewer, most) if arm.summary is not None]
    return np.diag([each.sd**2 / each.n for each in found])
