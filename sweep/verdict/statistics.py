"""The statistics of a verdict, over plain arrays. Distributions and resampling are scipy's.

Shapes: N draws, K arms, D datasets, M tests, B resamples; x stands for any leading axes,
over which a function is vectorised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from sweep.verdict.collapse import Mixture
    from sweep.verdict.crossed import Components
    from sweep.verdict.repeated import RepeatedParts

__all__ = [
    "LEVEL",
    "PERMUTATIONS",
    "RESAMPLES",
    "SEED",
    "Difference",
    "Ranks",
    "Summary",
    "average_ranks",
    "equivalence_p",
    "holm",
    "mean_interval",
    "noninferiority_p",
    "paired_difference",
    "probability_of_best",
    "sign_flip_p",
    "smallest_p",
    "summarise",
]

LEVEL = 0.05
"""The significance level: a p-value below it is significant, and intervals are at 1 - LEVEL."""

SEED = 0
"""The seed of every resampling, so that the same records give the same verdict."""

RESAMPLES = 9_999
"""Number of resamples of a bootstrap."""

PERMUTATIONS = 19_999
"""Number of permutations of a test; with up to 14 draws, all permutations are enumerated instead.

With 9,999, no p-value could stay below 5 % after a correction over the 273 tests of seven datasets, three numbers of
shots and fourteen methods.
"""

_BATCH = 64  # resamples held at a time: they stay in the processor's cache, and many rows in memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A summary of scores.

    n: number of scores.
    mean: their mean.
    sd: their standard deviation (divisor n - 1).
    low, high: interval of the mean at 95 %.

    One score tells nothing of others: then these are NaN, which documents leave out and tables show as a dash.
    """

    n: int
    mean: float
    sd: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A summary of paired differences.

    n: number of pairs.
    mean: mean difference.
    sd: standard deviation of the differences (divisor n - 1).
    low, high: interval of the mean difference at 95 %.
    p_value: two-sided, of a test that the mean difference is 0.
    components: of the variance over draws and test rows; None where the predictions of the rows are not known, and
        interval and test count draws alone.
    mixture: what interval and tests allow for where trainings of an arm were seen to collapse; else None.

    Of one pair, sd and interval are NaN, as those of one score.
    """

    n: int
    mean: float
    sd: float
    low: float
    high: float
    p_value: float
    components: Components | RepeatedParts | None = None
    mixture: Mixture | None = None

    @property
    def freedom(self) -> float:
        """The degrees of freedom of its standard error."""
        return max(1.0, self.n - 1) if self.components is None else self.components.freedom

    @property
    def error(self) -> float:
        """The standard error that its interval tells of, whatever that allows for."""
        from scipy import special

        return float((self.high - self.low) / 2 / -special.stdtrit(self.freedom, LEVEL / 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """Ranks of the methods over datasets (Demsar, 2006).

    methods: their names.
    average: the average rank of each method; 1 is best.
    datasets: number of datasets.
    p_value: of Friedman's test that all methods are equal.
    critical_difference: Nemenyi's at 5 %; methods whose average ranks differ by less cannot be told apart.
    """

    methods: tuple[str, ...]
    average: tuple[float, ...]
    datasets: int
    p_value: float
    critical_difference: float


def summarise(scores_N: ArrayLike) -> Summary:
    """The summary of one or more scores."""
    scores_N = np.asarray(scores_N, dtype=np.float64)
    if len(scores_N) == 1:
        return Summary(n=1, mean=float(scores_N[0]), sd=nan, low=nan, high=nan)
    mean, (low, high) = float(scores_N.mean()), map(float, mean_interval(scores_N))
    low, high = min(low, mean), max(high, mean)  # of equal scores, whose means err in their last bits
    return Summary(n=len(scores_N), mean=mean, sd=float(scores_N.std(ddof=1)), low=low, high=high)


def paired_difference(scores_N: ArrayLike, baseline_N: ArrayLike) -> Difference:
    """The summary of an arm's scores minus the baseline's, on one or more common draws."""
    differences_N = np.asarray(scores_N, dtype=np.float64) - np.asarray(baseline_N, dtype=np.float64)
    found = summarise(differences_N)
    p_value = float(sign_flip_p(differences_N))
    return Difference(n=found.n, mean=found.mean, sd=found.sd, low=found.low, high=found.high, p_value=p_value)


def mean_interval(
    scores_xN: NDArray[np.float64], resamples: int = RESAMPLES
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bootstrap interval of the mean at 95 %, from N >= 2 scores: low and high, of shape x.

    The expanded percentile interval of Hesterberg (2015, arXiv:1411.5279, section on the narrowness bias): a percentile
    interval of few scores is too narrow, by sqrt((n - 1) / n) and since it uses normal instead of Student's t
    quantiles, so its level is raised to compensate for both. With fewer than six scores, no interval within their range
    covers the mean at 95 %, and neither does this one.
    """
    from scipy import stats

    found = stats.bootstrap(
        (scores_xN,),
        np.mean,
        axis=-1,
        vectorized=True,
        method="percentile",
        confidence_level=1 - 2 * _expanded_tail(scores_xN.shape[-1]),
        n_resamples=resamples,
        batch=_BATCH,
        rng=SEED,
    )
    interval = found.confidence_interval
    return np.asarray(interval.low), np.asarray(interval.high)


def equivalence_p(difference: Difference, margin: float) -> float:
    """The p-value of two one-sided t-tests that a mean difference lies within -margin and margin, a share
    (Schuirmann, 1987, doi:10.1007/BF01068419); 1 for a single pair."""
    found = _above_p(difference, margin - abs(difference.mean))
    return found if difference.mixture is None else max(found, difference.mixture.equivalence_p(margin))


def noninferiority_p(difference: Difference, margin: float) -> float:
    """The p-value of the one-sided t-test that a mean difference lies above -margin, a share; 1 for a single pair."""
    found = _above_p(difference, margin + difference.mean)
    return found if difference.mixture is None else max(found, difference.mixture.above_p(-margin))


def _above_p(difference: Difference, room: float) -> float:
    """The p-value of the one-sided t-test that a mean is above 0, which was seen at `room` with the uncertainty of the
    difference."""
    from scipy import stats

    if difference.n < 2:
        return 1.0
    if difference.components is not None:
        error, freedom = float(np.sqrt(difference.components.variance)), difference.components.freedom
    else:
        error, freedom = difference.sd / float(np.sqrt(difference.n)), difference.n - 1.0
    if error == 0:
        return smallest_p(difference.n) if room > 0 else 1.0
    return float(stats.t.sf(room / error, freedom))


def sign_flip_p(differences_xN: NDArray[np.float64], permutations: int = PERMUTATIONS) -> NDArray[np.float64]:
    """Two-sided p-values, of shape x, of the mean of N paired differences, under random changes of their signs.

    The only assumption is that for equally good arms a difference is as likely as its negative. For a single difference
    the p-value is 1.
    """
    from scipy import stats

    if differences_xN.shape[-1] == 1:
        return np.ones(differences_xN.shape[:-1])
    found = stats.permutation_test(
        (differences_xN,),
        np.mean,
        axis=-1,
        vectorized=True,
        permutation_type="samples",
        n_resamples=permutations,
        batch=_BATCH,
        rng=SEED,
    )
    return np.asarray(found.pvalue)


def smallest_p(draws: int) -> float:
    """The smallest p-value that `sign_flip_p` can give with `draws` >= 1 draws."""
    return float(2 / min(2**draws, PERMUTATIONS + 1))


def _expanded_tail(scores: int) -> float:
    """The share left out at each end of an expanded percentile interval of so many scores."""
    from scipy import stats

    return float(stats.norm.sf(np.sqrt(scores / (scores - 1)) * stats.t.isf(LEVEL / 2, scores - 1)))


def holm(p_values_xM: ArrayLike) -> NDArray[np.float64]:
    """The p-values of M tests, corrected so that the family-wise error rate is at most the level (Holm, 1979).

    The i-th smallest is multiplied by M - i + 1; the results are kept monotone and at most 1.
    """
    p_values_xM = np.asarray(p_values_xM, dtype=np.float64)
    order_xM = np.argsort(p_values_xM, axis=-1)
    factors_M = np.arange(p_values_xM.shape[-1], 0, -1)
    raised_xM = np.take_along_axis(p_values_xM, order_xM, axis=-1) * factors_M
    corrected_xM = np.empty_like(p_values_xM)
    np.put_along_axis(corrected_xM, order_xM, np.minimum(np.maximum.accumulate(raised_xM, axis=-1), 1), axis=-1)
    return corrected_xM


def probability_of_best(scores_KN: ArrayLike) -> tuple[float, ...]:
    """The share, for each of K arms, of bootstrap resamples of N common draws in which its mean is the highest.

    All arms are resampled with the same draws, since their scores on a draw are paired. A tie is shared equally.
    """
    scores_KN = np.asarray(scores_KN, dtype=np.float64)
    draws = scores_KN.shape[1]
    drawn_BN = np.random.default_rng(SEED).integers(draws, size=(RESAMPLES, draws))
    means_KB = np.stack([scores_N[drawn_BN].mean(axis=-1) for scores_N in scores_KN])
    best_KB = means_KB >= means_KB.max(axis=0) - 1e-12  # equal sums differ in the last bits
    return tuple(map(float, (best_KB / best_KB.sum(axis=0)).mean(axis=-1)))


def average_ranks(scores_DK: ArrayLike, methods: Sequence[str]) -> Ranks:
    """Ranks of K >= 2 methods over D >= 3 datasets (Demsar, 2006, JMLR 7: Friedman's test, and Nemenyi's afterwards).

    Friedman's test needs three methods; for two, the p-value is that of Wilcoxon's signed-rank test, as Demsar advises.
    """
    from scipy import stats

    scores_DK = np.asarray(scores_DK, dtype=np.float64)
    datasets, arms = scores_DK.shape
    assert datasets >= 3
    assert arms == len(methods) >= 2
    ranks_DK = stats.rankdata(-scores_DK, axis=1)
    quantile = stats.studentized_range.isf(LEVEL, arms, np.inf) / np.sqrt(2)
    return Ranks(
        methods=tuple(methods),
        average=tuple(map(float, ranks_DK.mean(axis=0))),
        datasets=datasets,
        p_value=_rank_p(scores_DK),
        critical_difference=float(quantile * np.sqrt(arms * (arms + 1) / (6 * datasets))),
    )


def _rank_p(scores_DK: NDArray[np.float64]) -> float:
    from scipy import stats

    if (scores_DK == scores_DK[:, :1]).all():
        return 1.0  # nothing but ties, where the tests divide 0 by 0
    if scores_DK.shape[1] > 2:
        return float(stats.friedmanchisquare(*scores_DK.T).pvalue)
    return float(stats.wilcoxon(scores_DK[:, 0] - scores_DK[:, 1]).pvalue)
