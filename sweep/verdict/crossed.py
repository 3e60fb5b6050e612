"""Uncertainty over draws and test rows together.

A score is a mean over N draws and T test rows, and both are samples: other labelled rows would have trained another
classifier, and other test rows would have been easier or harder. They are crossed, since every draw's classifier is
scored on the same rows. The variance of the mean is taken apart by the two-way analysis of variance with random effects
and one value in each place, as for readers and cases in Dorfman, Berbaum & Metz (1992,
doi:10.1097/00004424-199209000-00015), with the degrees of freedom of Satterthwaite (1946, doi:10.2307/3002019).

    V = (draws' mean square + rows' mean square - residual mean square) / (N T)

It is at least what draws alone, and what rows alone, would give, which is conservative where one of the two hardly
matters. Rows that all agree do not prove that the next one would. So while half of the rows or more were never seen to
differ, V is at least what it would be if one of T + 2 rows differed by 1, the step from a wrong answer to a right one.
That least variance fades as more rows are seen to differ: they tell by themselves what to expect of the next ones.

Where each draw tests a part of the rows, values are NaN elsewhere, and `sweep.verdict.repeated` counts.

Shapes: N draws, T test rows, K arms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from sweep.verdict.repeated import RepeatedParts, least_rows, least_variance, repeated_covariance, share_alike
from sweep.verdict.statistics import LEVEL, RESAMPLES, SEED, Difference, Summary

__all__ = ["Components", "covariance", "crossed_difference", "crossed_summary", "difference_components", "likely_best"]

Values = NDArray[np.float64]
_TOO_FEW = 3  # draws, for Satterthwaite's degrees of freedom


@dataclass(frozen=True, slots=True, kw_only=True)
class Components:
    """The two-way analysis of variance of values_NT.

    draws, rows: N and T, both at least 2.
    mean: of all values.
    draw_square, row_square, rest_square: mean squares.
    alike: the share of rows that no draw has shown to differ, on which the least variance depends.
    """

    draws: int
    rows: int
    mean: float
    draw_square: float
    row_square: float
    rest_square: float
    alike: float = 0.0

    @classmethod
    def of(cls, values_NT: Values, *, graded: bool = False) -> Components:
        """The analysis of values_NT."""
        draws, rows = values_NT.shape
        assert min(draws, rows) >= 2, "one draw, or one row, tells nothing of others"
        mean, by_draw_N, by_row_T = values_NT.mean(), values_NT.mean(axis=1), values_NT.mean(axis=0)
        draw_sum, row_sum = ((by_draw_N - mean) ** 2).sum(), ((by_row_T - mean) ** 2).sum()
        rest_sum = max(0.0, ((values_NT - mean) ** 2).sum() - rows * draw_sum - draws * row_sum)
        return cls(
            draws=draws,
            rows=rows,
            mean=float(mean),
            draw_square=float(rows * draw_sum / (draws - 1)),
            row_square=float(draws * row_sum / (rows - 1)),
            rest_square=float(rest_sum / ((draws - 1) * (rows - 1))),
            alike=share_alike(values_NT, graded=graded),
        )

    @property
    def variance(self) -> float:
        """V, the variance of the mean."""
        return max(self._square / (self.draws * self.rows), self._least)

    @property
    def _least(self) -> float:
        """The variance that a mean of T rows has at least, however few were seen to differ."""
        return least_variance(self.rows, self.alike)

    @property
    def freedom(self) -> float:
        """The degrees of freedom of V. With 2 or 3 draws no more than theirs, unless all trained the same classifier:
        their mean square, by chance next to nothing, would pass for known."""
        if self.draws <= _TOO_FEW and self.draw_square + self.rest_square > 1e-9:
            return min(self.satterthwaite, self.draws - 1.0)
        return self.satterthwaite

    @property
    def satterthwaite(self) -> float:
        """The degrees of freedom of V by Satterthwaite's approximation, at least 1."""
        if self._square / (self.draws * self.rows) <= self._least:
            return self.rows - 1.0
        parts = (
            (self.draw_square, self.draws - 1),
            (self.row_square, self.rows - 1),
            (self.rest_square, (self.draws - 1) * (self.rows - 1)),
        )
        spread = sum(square**2 / freedom for square, freedom in parts)
        return max(1.0, self._square**2 / spread) if spread > 0 else 1.0

    @property
    def _square(self) -> float:
        whole = self.draw_square + self.row_square - self.rest_square
        return max(whole, self.draw_square, self.row_square)

    def reach(self, level: float) -> float:
        """Half the length of the interval of the mean at 1 - level."""
        from scipy import special

        return float(-special.stdtrit(self.freedom, level / 2) * np.sqrt(self.variance))

    def variance_with(self, draws: int) -> float:
        """The variance that the mean of so many draws, on as many rows, is expected to have."""
        rest, by_draw, by_row = self._effects
        return max(by_draw / draws + by_row / self.rows + rest / (draws * self.rows), self._least)

    def draws_for(self, variance: float) -> float:
        """The number of draws, on as many rows, with which the mean would have this variance; infinite if rows alone
        leave more."""
        rest, by_draw, by_row = self._effects
        left = variance - by_row / self.rows
        return (by_draw + rest / self.rows) / left if left > 0 and variance >= self._least else np.inf

    def rows_for(self, variance: float, draws: int | None = None) -> float:
        """The number of rows, with so many draws, or as many as there are, with which the mean would have this
        variance; infinite if draws alone leave more."""
        rest, by_draw, by_row = self._effects
        draws = draws or self.draws
        left = variance - by_draw / draws
        least = least_rows(variance, self.alike)
        return max((by_row + rest / draws) / left, least) if left > 0 else np.inf

    @property
    def _effects(self) -> tuple[float, float, float]:
        """The variances of the rest, of draws, and of rows."""
        by_draw = max(0.0, self.draw_square - self.rest_square) / self.rows
        by_row = max(0.0, self.row_square - self.rest_square) / self.draws
        return self.rest_square, by_draw, by_row


def crossed_summary(values_NT: Values, *, most: float = 1.0, graded: bool = False) -> Summary:
    """The summary of one arm's scores, of which values_NT are the contributions; its interval within 0 and `most`.

    graded: whether the values differ by degrees, rather than as right answers do from wrong ones.
    """
    tested_NT = _tested(values_NT)
    parts = np.isnan(tested_NT).any()
    low, high, _ = _inferred(
        RepeatedParts.of(values_NT, of="arm", graded=graded) if parts else Components.of(tested_NT, graded=graded)
    )
    scores_N = np.nanmean(values_NT, axis=1)
    mean, sd = float(np.clip(scores_N.mean(), 0.0, most)), float(scores_N.std(ddof=1))  # sums err in the last bits
    return Summary(n=len(scores_N), mean=mean, sd=sd, low=max(0.0, low), high=min(most, high))


def crossed_difference(ours_NT: Values, theirs_NT: Values, *, graded: bool = False) -> Difference:
    """The paired difference of two arms on the same draws and rows, with a two-sided t-test that it is 0.

    graded: as for a summary.
    """
    components = difference_components(ours_NT - theirs_NT, graded=graded)
    low, high, p_value = _inferred(components)
    by_draw_N = np.nanmean(ours_NT, axis=1) - np.nanmean(theirs_NT, axis=1)
    return Difference(
        n=len(by_draw_N),
        mean=float(by_draw_N.mean()),
        sd=float(by_draw_N.std(ddof=1)),
        low=low,
        high=high,
        p_value=p_value,
        components=components,
    )


def difference_components(values_NT: Values, *, graded: bool = False) -> Components | RepeatedParts:
    """The analysis of the paired differences of two arms, whether or not each draw tests all rows.

    graded: as for a summary.
    """
    tested_NT = _tested(values_NT)
    if np.isnan(tested_NT).any():
        return RepeatedParts.of(values_NT, of="difference", graded=graded)
    return Components.of(tested_NT, graded=graded)


def _tested(values_NT: Values) -> Values:
    """The values of the rows that any draw tests: where all test the same ones, draws and rows are crossed."""
    tested_NT: Values = values_NT[:, ~np.isnan(values_NT).all(axis=0)]
    return tested_NT


def _inferred(found: Components | RepeatedParts) -> tuple[float, float, float]:
    """The interval of the mean at 95 %, and the p-value of the test that it is 0."""
    from scipy import stats

    error, reach = float(np.sqrt(found.variance)), found.reach(LEVEL)
    return found.mean - reach, found.mean + reach, float(2 * stats.t.sf(abs(found.mean) / error, found.freedom))


def likely_best(arms: Sequence[Values]) -> tuple[float, ...]:
    """For each of K arms on the same draws and rows, the probability that its mean is the highest.

    The means' joint distribution is taken for normal, with the covariances of the same analysis of variance, and no
    difference of two of them for surer than its own test takes it to be.
    """
    values_KNT = np.stack(arms)
    means_K = np.nanmean(values_KNT, axis=2).mean(axis=1)
    covariance_KK = covariance(values_KNT)
    covariance_KK += np.diag(_lacking(values_KNT, covariance_KK))
    drawn_BK = np.random.default_rng(SEED).multivariate_normal(means_K, covariance_KK, size=RESAMPLES, method="eigh")
    best_BK = drawn_BK >= drawn_BK.max(axis=1, keepdims=True) - 1e-12  # equal arms share a win
    return tuple(map(float, (best_BK / best_BK.sum(axis=1, keepdims=True)).mean(axis=0)))


def _lacking(values_KNT: NDArray[np.float64], covariance_KK: NDArray[np.float64]) -> NDArray[np.float64]:
    """The variance to be added to each of K means, so that each of their differences has that of its test at least."""
    variances_K = np.diag(covariance_KK)
    joint_KK = variances_K[:, None] + variances_K - 2 * covariance_KK
    lacking_KK = np.zeros_like(joint_KK)
    for first, second in combinations(range(len(values_KNT)), 2):
        tested = difference_components(values_KNT[first] - values_KNT[second]).variance
        lacking_KK[first, second] = lacking_KK[second, first] = max(0.0, tested - joint_KK[first, second])
    lacking_K: NDArray[np.float64] = lacking_KK.max(axis=1) / 2
    return lacking_K


def covariance(values_KNT: NDArray[np.float64]) -> NDArray[np.float64]:
    """The covariances of the arms' means, without what is negative among their eigenvalues."""
    values_KNT = values_KNT[:, :, ~np.isnan(values_KNT).all(axis=(0, 1))]
    if np.isnan(values_KNT).any():
        return repeated_covariance(values_KNT)
    arms, draws, rows = values_KNT.shape
    centred_KNT = values_KNT - values_KNT.mean(axis=(1, 2), keepdims=True)
    by_draw_KN, by_row_KT = centred_KNT.mean(axis=2), centred_KNT.mean(axis=1)
    flat_KX = centred_KNT.reshape(arms, -1)
    draw_KK, row_KK = rows * by_draw_KN @ by_draw_KN.T, draws * by_row_KT @ by_row_KT.T
    rest_KK = (flat_KX @ flat_KX.T - draw_KK - row_KK) / ((draws - 1) * (rows - 1))
    whole_KK = draw_KK / (draws - 1) + row_KK / (rows - 1) - rest_KK
    values_K, vectors_KK = np.linalg.eigh(whole_KK / (draws * rows))
    found_KK: NDArray[np.float64] = (vectors_KK * np.maximum(values_K, 0.0)) @ vectors_KK.T
    return found_KK
