"""The statistics of a verdict, over plain arrays. Distributions and resampling are scipy's.

Shapes: N draws, K arms, D datasets, S comparisons of a dataset, T trials, R replicates, M tests, B resamples; x stands
for any leading axes, over which a function works at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "LEVEL",
    "PERMUTATIONS",
    "POWER",
    "RESAMPLES",
    "Difference",
    "Ranks",
    "Summary",
    "average_ranks",
    "configuration_variance",
    "draws_needed",
    "holm",
    "mean_gain",
    "mean_interval",
    "paired_difference",
    "power",
    "probability_of_best",
    "seed_variance",
    "sign_flip_p",
    "smallest_p",
    "summarise",
]

LEVEL = 0.05
"""The error that is accepted: intervals are at 1 - LEVEL, and a p-value below it is significant."""

POWER = 0.8
"""The chance to see a difference for which numbers of draws are planned."""

RESAMPLES = 9_999
"""Of a bootstrap."""

PERMUTATIONS = 19_999
"""Of a test; where there are no more, of up to 14 draws, all are gone through. Were they 9,999, no p-value could stay
below 5 % after a correction over the 273 tests of seven datasets, three numbers of shots and fourteen losses."""

_BATCH = 64  # resamples held at a time: they stay in the processor's cache, and many rows in memory
_MOST_DRAWS = 100_000


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
    """Average ranks of the losses over datasets (1 is best), Friedman's p-value, and Nemenyi's critical difference at
    5 % (Demsar, 2006): two losses whose average ranks differ by less cannot be told apart."""

    losses: tuple[str, ...]
    average: tuple[float, ...]
    datasets: int
    p_value: float
    critical_difference: float


# ---- one arm, and two ------------------------------------------------------------------------------------------------


def summarise(scores_N: ArrayLike, seed: int = 0) -> Summary:
    """Mean, spread and interval of at least one score."""
    scores_N = np.asarray(scores_N, dtype=np.float64)
    low, high = mean_interval(scores_N, seed)
    return Summary(n=len(scores_N), mean=float(scores_N.mean()), sd=_sd(scores_N), low=float(low), high=float(high))


def paired_difference(scores_N: ArrayLike, baseline_N: ArrayLike, seed: int = 0) -> Difference:
    """Of an arm's scores less the baseline's on the same draws, at least one."""
    differences_N = np.asarray(scores_N, dtype=np.float64) - np.asarray(baseline_N, dtype=np.float64)
    found = summarise(differences_N, seed)
    p_value = float(sign_flip_p(differences_N, seed))
    return Difference(n=found.n, mean=found.mean, sd=found.sd, low=found.low, high=found.high, p_value=p_value)


def mean_interval(
    scores_xN: NDArray[np.float64], seed: int = 0, resamples: int = RESAMPLES
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bootstrap interval of the mean at 95 %, from N >= 1 scores: low and high, of shape x.

    The expanded percentile interval of Hesterberg (2015, arXiv:1411.5279, section on the narrowness bias): a percentile
    interval of few scores is too narrow, by sqrt((n - 1) / n) and for want of Student's t, so its level is raised to
    make up for both. Of fewer than six scores no interval within their range covers at 95 %, so this one does not.
    """
    from scipy import stats

    if scores_xN.shape[-1] == 1:
        return scores_xN[..., 0], scores_xN[..., 0]
    found = stats.bootstrap(
        (scores_xN,),
        np.mean,
        axis=-1,
        vectorized=True,
        method="percentile",
        confidence_level=1 - 2 * _expanded_tail(scores_xN.shape[-1]),
        n_resamples=resamples,
        batch=_BATCH,
        rng=seed,
    )
    interval = found.confidence_interval
    return np.asarray(interval.low), np.asarray(interval.high)


def sign_flip_p(
    differences_xN: NDArray[np.float64], seed: int = 0, permutations: int = PERMUTATIONS
) -> NDArray[np.float64]:
    """Two-sided p-values, of shape x, of the mean of N paired differences, under random changes of their signs.

    If the two arms are equally good, a difference is as likely as its negative; nothing else is supposed. One
    difference proves nothing: p is 1.
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
        rng=seed,
    )
    return np.asarray(found.pvalue)


def smallest_p(draws: int) -> float:
    """The smallest p-value that `sign_flip_p` can give with so many draws, at least one."""
    return float(2 / min(2**draws, PERMUTATIONS + 1))


def _expanded_tail(scores: int) -> float:
    """The share left out at each end."""
    from scipy import stats

    return float(stats.norm.sf(np.sqrt(scores / (scores - 1)) * stats.t.isf(LEVEL / 2, scores - 1)))


def _sd(scores_N: NDArray[np.float64]) -> float:
    return float(scores_N.std(ddof=1)) if len(scores_N) > 1 else 0.0


# ---- several arms ----------------------------------------------------------------------------------------------------


def holm(p_values_xM: ArrayLike) -> NDArray[np.float64]:
    """The p-values of M tests, corrected so that even one false rejection is as rare as the level (Holm, 1979).

    The i-th smallest is multiplied by M - i + 1; none gets smaller than one before it, nor larger than 1.
    """
    p_values_xM = np.asarray(p_values_xM, dtype=np.float64)
    order_xM = np.argsort(p_values_xM, axis=-1)
    factors_M = np.arange(p_values_xM.shape[-1], 0, -1)
    raised_xM = np.take_along_axis(p_values_xM, order_xM, axis=-1) * factors_M
    corrected_xM = np.empty_like(p_values_xM)
    np.put_along_axis(corrected_xM, order_xM, np.minimum(np.maximum.accumulate(raised_xM, axis=-1), 1), axis=-1)
    return corrected_xM


def probability_of_best(scores_KN: ArrayLike, seed: int = 0) -> tuple[float, ...]:
    """Of each arm: the share of bootstrap resamples of the N common draws in which its mean is the highest.

    All arms are resampled together, since their scores on a draw belong together. A tie is shared equally.
    """
    scores_KN = np.asarray(scores_KN, dtype=np.float64)
    draws = scores_KN.shape[1]
    drawn_BN = np.random.default_rng(seed).integers(draws, size=(RESAMPLES, draws))
    means_KB = np.stack([scores_N[drawn_BN].mean(axis=-1) for scores_N in scores_KN])
    best_KB = means_KB >= means_KB.max(axis=0) - 1e-12  # equal sums differ in the last bits
    return tuple(map(float, (best_KB / best_KB.sum(axis=0)).mean(axis=-1)))


def average_ranks(scores_DK: ArrayLike, losses: Sequence[str]) -> Ranks:
    """Ranks of K >= 2 losses over D >= 3 datasets (Demsar, 2006, JMLR 7: Friedman's test, and Nemenyi's afterwards).

    Friedman's test needs three losses; of two, the p-value is that of Wilcoxon's signed ranks, as Demsar advises.
    """
    from scipy import stats

    scores_DK = np.asarray(scores_DK, dtype=np.float64)
    datasets, arms = scores_DK.shape
    assert datasets >= 3
    assert arms == len(losses) >= 2
    ranks_DK = stats.rankdata(-scores_DK, axis=1)
    quantile = stats.studentized_range.isf(LEVEL, arms, np.inf) / np.sqrt(2)
    return Ranks(
        losses=tuple(losses),
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


# ---- all comparisons of a sweep --------------------------------------------------------------------------------------


def mean_gain(differences_DSN: Sequence[ArrayLike], seed: int = 0, resamples: int = RESAMPLES) -> Summary:
    """The mean over all comparisons of their mean differences; n counts comparisons.

    differences_DSN: for each of D datasets, an array of S comparisons by N draws, not a number where a draw is missing;
    S may differ from dataset to dataset. The interval is of a hierarchical bootstrap: datasets are resampled whole, and
    within each its draws, the same for all its comparisons, since the draws of few shots lie within those of more. It
    is expanded as that of `mean_interval` is, over the datasets; of a single dataset, over its draws, and then it
    speaks of that dataset alone. It errs on the wide side, since the draws' noise is in the datasets' means already.
    """
    blocks = [np.atleast_2d(np.asarray(each, dtype=np.float64)) for each in differences_DSN]
    means = np.concatenate([np.nanmean(block_SN, axis=1) for block_SN in blocks])
    generator = np.random.default_rng(seed)
    sums_DB = np.stack([_resampled_sums(block_SN, generator, resamples) for block_SN in blocks])
    sizes_D = np.array([len(block_SN) for block_SN in blocks])
    picked_BD = generator.integers(len(blocks), size=(resamples, len(blocks)))
    draws_BD = generator.integers(resamples, size=(resamples, len(blocks)))  # a dataset picked twice has other draws
    gains_B = sums_DB[picked_BD, draws_BD].sum(axis=1) / sizes_D[picked_BD].sum(axis=1)
    units = len(blocks) if len(blocks) > 1 else int(np.isfinite(blocks[0]).sum(axis=1).min())
    tail = _expanded_tail(units) if units > 1 else LEVEL / 2
    low, high = np.quantile(gains_B, [tail, 1 - tail])
    return Summary(n=len(means), mean=float(means.mean()), sd=_sd(means), low=float(low), high=float(high))


def _resampled_sums(
    block_SN: NDArray[np.float64], generator: np.random.Generator, resamples: int
) -> NDArray[np.float64]:
    """The sum over S of means over resampled draws, for each of B resamples."""
    draws = block_SN.shape[1]
    counts_BN = generator.multinomial(draws, np.full(draws, 1 / draws), size=resamples)
    known_SN = np.isfinite(block_SN)
    drawn_BS = counts_BN @ known_SN.T
    sums_BS = counts_BN @ np.where(known_SN, block_SN, 0).T
    means_BS = np.where(drawn_BS > 0, sums_BS / np.maximum(drawn_BS, 1), np.nanmean(block_SN, axis=1))
    found_B: NDArray[np.float64] = means_BS.sum(axis=1)
    return found_B


# ---- planning --------------------------------------------------------------------------------------------------------


def power(difference: float, sd: float, draws: int, level: float = LEVEL) -> float:
    """The chance that a two-sided paired t-test at `level` sees a true mean difference.

    sd: of the paired differences. The square of a noncentral t is a noncentral F, which holds both tails, and which
    scipy computes where its noncentral t gives no number. The sign-flip test of a verdict has nearly the same power.
    """
    from scipy import stats

    if draws < 2:
        return 0.0
    if abs(difference) >= 1e3 * sd:  # seen for certain, where the distribution may overflow
        return 1.0 if difference else level
    critical = stats.t.isf(level / 2, draws - 1)
    return float(stats.ncf.sf(critical**2, 1, draws - 1, draws * (difference / sd) ** 2))


def draws_needed(difference: float, sd: float, level: float = LEVEL, wanted: float = POWER) -> int | None:
    """The fewest draws with which `power` reaches `wanted`, and with which a sign-flip test can reject at `level`; None
    where even 100,000 do not suffice."""
    low, high = 1, _MOST_DRAWS  # too few, and enough
    if smallest_p(high) > level or power(difference, sd, high, level) < wanted:
        return None
    while smallest_p(low + 1) > level:
        low += 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(difference, sd, middle, level) >= wanted else (middle, high)
    return high


# ---- variance components ---------------------------------------------------------------------------------------------


def configuration_variance(scores_TR: ArrayLike) -> float | None:
    """Variance between T configurations, of their scores on R common draws; None for fewer than two of either.

    Two-way random effects without repetition, by the method of moments: (mean square of configurations - mean square of
    what configuration and draw do not explain) / R; a negative estimate counts as 0.
    """
    scores_TR = np.atleast_2d(np.asarray(scores_TR, dtype=np.float64))
    trials, replicates = scores_TR.shape
    if trials < 2 or replicates < 2:
        return None
    rest_TR = scores_TR - scores_TR.mean(axis=1, keepdims=True) - scores_TR.mean(axis=0) + scores_TR.mean()
    rest = (rest_TR**2).sum() / ((trials - 1) * (replicates - 1))
    between = replicates * scores_TR.mean(axis=1).var(ddof=1)
    return max(0.0, float((between - rest) / replicates))


def seed_variance(first_N: ArrayLike, second_N: ArrayLike) -> float | None:
    """Variance of the initialisation, from N draws trained with two: half the mean squared difference; None for fewer
    than two draws, which say nothing."""
    differences_N = np.asarray(first_N, dtype=np.float64) - np.asarray(second_N, dtype=np.float64)
    return float((differences_N**2).mean() / 2) if differences_N.size > 1 else None
