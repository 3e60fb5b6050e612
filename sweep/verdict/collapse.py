"""Trainings that collapse: how often, and what that leaves uncertain about a mean.

A training has collapsed if it diverged, or is no better than always answering one class. A method of which that happens
in a tenth of its trainings shows none in ten draws with a probability of 35 %, and then looks better than it is by a
tenth of what a collapse costs. So where a training of an arm collapsed, be it in its search, a difference is taken
apart: that of the draws on which both trained, less what the collapses of each cost, at rates that are binomial. The
three uncertainties are put together by the method of variance estimates recovery (Zou & Donner, 2008,
doi:10.1002/sim.3095), with Jeffreys' intervals of the rates (Brown, Cai & DasGupta, 2001, doi:10.1214/ss/1009213286).

What has never been seen cannot be allowed for so. `unseen_cost` is the most that it may be.

Shapes: N draws, T test rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sweep.verdict.crossed import Components
from sweep.verdict.repeated import RepeatedParts
from sweep.verdict.statistics import LEVEL, Difference

__all__ = ["Collapses", "Mixture", "Rate", "collapse_p", "mixed_difference", "rate_interval", "unseen_cost"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collapses:
    """How often an arm fails to train: it diverged, or is no better than always answering one class.

    draws: the confirmation draws whose training ended without an error.
    collapsed: those of them on which it collapsed.
    low, high: interval of the rate at 95 % (Jeffreys').
    searched: trainings of the completed trials of the search, without trials of which half or more collapsed.
    in_search: those of them that collapsed, which are a reason to allow for collapses that the draws did not show.
    cost: mean score of the trained draws less that of a collapsed one; None where that is not known.
    majority: the score of always answering the most frequent class, which stands for a collapsed one if none was seen.
    """

    draws: int
    collapsed: int
    low: float
    high: float
    searched: int
    in_search: int
    cost: float | None
    majority: float | None = None

    @property
    def rate(self) -> float:
        """The share of the draws on which it collapsed; 0 without any."""
        return self.collapsed / self.draws if self.draws else 0.0

    @property
    def seen(self) -> bool:
        """Whether any training of the arm collapsed."""
        return self.collapsed + self.in_search > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How often an arm's trainings collapsed on its draws, and what one costs.

    collapsed, draws: numbers of draws.
    cost: mean score of the others less that of a collapsed one, a share.
    """

    collapsed: int
    draws: int
    cost: float

    def reach(self, level: float) -> tuple[float, float]:
        """What the cost of the arm's collapses may be less, and more, than on these draws."""
        seen = self.collapsed / self.draws
        low, high = rate_interval(self.collapsed, self.draws, level)
        return self.cost * (seen - low), self.cost * (high - seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """What is known of a mean difference of which an arm, or both, may collapse.

    mean: the mean difference over all draws.
    trained: the analysis of variance over the draws on which both trained; None if there are fewer than two.
    ours, theirs: the rates of collapses; None for an arm of which none was ever seen.
    """

    mean: float
    trained: Components | RepeatedParts | None
    ours: Rate | None
    theirs: Rate | None

    def limits(self, level: float) -> tuple[float, float]:
        """The limits of the mean difference at 1 - level."""
        if self.trained is None:
            return -1.0, 1.0
        reach = self._reach(self.trained, level)
        (ours_less, ours_more), (theirs_less, theirs_more) = (
            (0.0, 0.0) if rate is None else rate.reach(level) for rate in (self.ours, self.theirs)
        )
        below = np.sqrt(reach**2 + ours_more**2 + theirs_less**2)
        above = np.sqrt(reach**2 + ours_less**2 + theirs_more**2)
        return float(self.mean - below), float(self.mean + above)

    @staticmethod
    def _reach(trained: Components | RepeatedParts, level: float) -> float:
        """Half the length of the interval of the mean of the trained draws. Where these are 2 or 3 of many, all of them
        are the other analysis."""
        from scipy import special

        freedom = trained.satterthwaite if isinstance(trained, Components) else trained.freedom
        return float(-special.stdtrit(freedom, level / 2) * np.sqrt(trained.variance))

    def p_value(self, null: float = 0.0) -> float:
        """The two-sided p-value of a test that the mean difference is `null`: the least level at which the limits leave
        it out."""
        least, most = 1e-12, 1.0
        if self._holds(null, most):
            return 1.0
        while most / least > 1.001:
            level = float(np.sqrt(least * most))
            least, most = (level, most) if self._holds(null, level) else (least, level)
        return most

    def above_p(self, null: float) -> float:
        """The p-value of the one-sided test that the mean difference is above `null`."""
        return self.p_value(null) / 2 if self.mean > null else 1.0

    def equivalence_p(self, margin: float) -> float:
        """The p-value of two one-sided tests that the mean difference lies within -margin and margin, a share."""
        return max(self.p_value(margin) / 2, self.above_p(-margin)) if self.mean < margin else 1.0

    def _holds(self, null: float, level: float) -> bool:
        low, high = self.limits(level)
        return low <= null <= high


def mixed_difference(plain: Difference, mixture: Mixture) -> Difference:
    """The difference with the wider limits and the larger p-value of the two analyses. That of all draws alone is surer
    than it should be where no collapse, or more than usual, happened to be seen on them; the mixture, where few draws
    are left on which both trained."""
    low, high = mixture.limits(LEVEL)
    return replace(
        plain,
        low=min(plain.low, low),
        high=max(plain.high, high),
        p_value=max(plain.p_value, mixture.p_value()),
        mixture=mixture,
    )


def rate_interval(count: int, of: int, level: float = LEVEL) -> tuple[float, float]:
    """Jeffreys' interval at 1 - level of the rate of what was seen `count` times among `of`; from 0, or to 1, where it
    was never seen, or always."""
    from scipy import special

    low = special.betaincinv(count + 0.5, of - count + 0.5, level / 2) if count > 0 else 0.0
    high = special.betaincinv(count + 0.5, of - count + 0.5, 1 - level / 2) if count < of else 1.0
    return float(low), float(high)


def collapse_p(ours: Sequence[bool], theirs: Sequence[bool]) -> float:
    """The two-sided p-value of McNemar's exact test that two arms collapse equally often, on common draws."""
    from scipy import stats

    only_ours = sum(mine and not other for mine, other in zip(ours, theirs, strict=True))
    only_theirs = sum(other and not mine for mine, other in zip(ours, theirs, strict=True))
    both = only_ours + only_theirs
    return float(stats.binomtest(only_ours, both).pvalue) if both else 1.0


def unseen_cost(trainings: int, cost: float) -> float:
    """The most, with 95 %, by which collapses of this cost that `trainings` trainings did not show lower the mean."""
    return cost * rate_interval(0, trainings, 2 * LEVEL)[1]
