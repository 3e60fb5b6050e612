"""Uncertainty where each draw tests a part of its own of the same few rows, and trains on others of them.

Scores then are a table of N draws by T rows of which each draw fills a part, and each row is tested in several draws.
The rows are the sample: a row's mean over its draws counts once. Training and test parts overlap from draw to draw, so
that the means of rows depend on each other, of which no unbiased estimate exists (Bengio & Grandvalet, 2004, JMLR 5).
Their variance is raised instead, in the manner of Nadeau & Bengio (2003, doi:10.1023/A:1024068626366), whose own
correction, of the variance of draws, is too wide for differences: 98 to 100 % on 50 rows instead of 95. Where a share
s of the rows is tested,

    V = inflation * (variance of the T means of rows) / T + (variance between draws) / N

with inflation 1 / (1 - s) for a difference, as if only the rows that train were tested, and 1 + 2 s for a single arm,
where nothing that training and test rows have in common cancels. The variance between draws is that of Henderson's
first method (1953, doi:10.2307/3001853), or 0 if that is negative; it tells where trainings fail now and then.

Shapes: N draws, T rows, K arms; NaN where a draw does not test a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "RepeatedParts",
    "arm_inflation",
    "difference_inflation",
    "least_rows",
    "least_variance",
    "repeated_covariance",
    "share_alike",
]

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedParts:
    """The variance of a mean over draws that test parts of the same rows.

    draws, rows: N, and how many rows are tested by any of them, both at least 2.
    mean: of the draws' means.
    by_row: the inflated variance of the means of rows.
    by_draw: the variance between draws.
    alike: the share of rows that no draw has shown to differ, on which the least variance depends.
    untested: the number of rows that no draw has tested, as where there are fewer draws than parts.
    """

    draws: int
    rows: int
    mean: float
    by_row: float
    by_draw: float
    alike: float = 0.0
    untested: int = 0

    @classmethod
    def of(cls, values_NT: Values, *, of: Literal["arm", "difference"], graded: bool = False) -> RepeatedParts:
        """The analysis of values_NT, of one arm or of the paired differences of two."""
        tested_T = ~np.isnan(values_NT).all(axis=0)
        values_NT, untested = values_NT[:, tested_T], int((~tested_T).sum())
        draws, rows = values_NT.shape
        assert min(draws, rows) >= 2, "one draw, or one row, tells nothing of others"
        share = float((~np.isnan(values_NT)).mean())
        inflation = arm_inflation(share) if of == "arm" else difference_inflation(share)
        return cls(
            draws=draws,
            rows=rows,
            mean=float(np.nanmean(values_NT, axis=1).mean()),
            by_row=inflation * float(np.nanmean(values_NT, axis=0).var(ddof=1)),
            by_draw=max(0.0, _between_draws(values_NT)),
            alike=share_alike(values_NT, graded=graded),
            untested=untested,
        )

    @property
    def variance(self) -> float:
        """V, the variance of the mean; however few rows were seen to differ, at least what it would be if one of T + 2
        did."""
        return max(self._whole, self._least)

    @property
    def _whole(self) -> float:
        return self.by_row / self.rows + self.by_draw / self.draws

    @property
    def _least(self) -> float:
        return least_variance(self.rows, self.alike)

    @property
    def freedom(self) -> float:
        """The degrees of freedom of V by Satterthwaite's approximation; those of rows where V is the least there is."""
        if self._whole <= self._least:
            return self.rows - 1.0
        by_row, by_draw = self.by_row / self.rows, self.by_draw / self.draws
        return self._whole**2 / (by_row**2 / (self.rows - 1) + by_draw**2 / (self.draws - 1))

    def reach(self, level: float) -> float:
        """Half the length of the interval of the mean at 1 - level."""
        from scipy import special

        return float(-special.stdtrit(self.freedom, level / 2) * np.sqrt(self.variance))

    def variance_with(self, draws: int) -> float:
        """The variance that the mean of so many draws of the same rows is expected to have."""
        return max(self.by_row / self.rows + self.by_draw / draws, self._least)

    def draws_for(self, variance: float) -> float:
        """The number of draws with which the mean would have this variance; infinite if these rows leave more."""
        left = variance - self.by_row / self.rows
        return self.by_draw / left if left > 0 and variance >= self._least else np.inf

    def rows_for(self, variance: float, draws: int | None = None) -> float:
        """The number of labelled rows with which the mean would have this variance on so many draws, or as many as
        there are; infinite if the draws leave more. That more rows train better classifiers is left out."""
        left = variance - self.by_draw / (draws or self.draws)
        return max(self.by_row / left, least_rows(variance, self.alike)) if left > 0 else np.inf


def share_alike(values_NT: Values, *, graded: bool = False) -> float:
    """The share of rows of which no value is half a step, of 1, or more from the usual one, in any draw.

    graded: whether the values differ by degrees, as log losses do. Such rows have shown by how much, unless all agree.
    """
    if graded:
        return float(np.nanmean(values_NT, axis=0).var() <= 1e-12)
    far_NT = np.abs(values_NT - np.nanmedian(values_NT)) >= 0.5
    return float(1 - far_NT.any(axis=0).mean())


def least_variance(rows: int, alike: float = 1.0) -> float:
    """The variance that a mean of T rows has at least, though all were alike: what it would be if one of T + 2 differed
    by 1 from the others, (T + 1) / (T (T + 2)^2). Where this share of them was, and that is under a half, it fades with
    the share: rows that differ tell of the next ones by themselves."""
    share = 1 / (rows + 2)
    return min(1.0, 2 * alike) * share * (1 - share) / rows


def least_rows(variance: float, alike: float = 1.0) -> float:
    """The number of rows with which `least_variance` is at most this one, since that is below 1 / T^2."""
    return float(np.sqrt(min(1.0, 2 * alike) / variance))


def arm_inflation(share: float) -> float:
    """By how much the variance of the mean of rows is raised for one arm, of which a draw tests this share of them."""
    return 1 + 2 * share


def difference_inflation(share: float) -> float:
    """The same for the difference of two arms."""
    return 1 / (1 - share)


def repeated_covariance(values_KNT: Values) -> Values:
    """The covariances of the means of K arms on the same draws and rows, as those of differences."""
    tested_NT = ~np.isnan(values_KNT[0])
    some_T = tested_NT.any(axis=0)
    rows_KT = np.nanmean(values_KNT[:, :, some_T], axis=1)
    inflation = difference_inflation(float(tested_NT[:, some_T].mean()))
    found_KK: Values = inflation * np.atleast_2d(np.cov(rows_KT)) / rows_KT.shape[1]
    return found_KK


def _between_draws(values_NT: Values) -> float:
    """Henderson's first method for draws and rows as random effects, one value in each place that is filled: sums of
    squares are equated with what they are expected to be."""
    known_NT = ~np.isnan(values_NT)
    size_N, size_T, size = known_NT.sum(axis=1), known_NT.sum(axis=0), float(known_NT.sum())
    centred_NT = np.where(known_NT, values_NT - np.nanmean(values_NT), 0.0)
    sums = np.array(
        [
            (centred_NT**2).sum(),
            (centred_NT.sum(axis=1) ** 2 / size_N).sum(),
            (centred_NT.sum(axis=0) ** 2 / size_T).sum(),
        ]
    )
    draws, rows = values_NT.shape
    by_draws, by_rows = (size_N**2).sum() / size, (size_T**2).sum() / size
    expected = np.array(
        [
            [size - by_draws, size - by_rows, size - 1],
            [size - by_draws, draws - by_rows, draws - 1],
            [rows - by_draws, size - by_rows, rows - 1],
        ]
    )
    solved = np.linalg.lstsq(expected, sums, rcond=None)[0]
    return float(solved[0])
