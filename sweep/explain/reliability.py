"""How far the probabilities of a classifier can be trusted, and how well its scores tell its errors.

Each measure is written as a mean over test rows: of what each row contributes to it, which is the measure plus the
influence of that row. So draws and rows are counted as in the verdict (`sweep.verdict.crossed`), and two arms are
compared row by row. For the calibration error this takes bins as given and holds where the gap of a bin is not 0; the
error itself is never negative, and of few rows it is above 0 though nothing is wrong.

Shapes: S rows of one draw, U different confidences among them, K draws, T test rows, B bins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweep.explain.judged import Judged
from sweep.verdict.crossed import crossed_difference, crossed_summary
from trainable.confidences import TEMPERED

__all__ = [
    "BINS",
    "CALIBRATION",
    "DETECTION",
    "Measured",
    "Versus",
    "auroc_parts",
    "brier_parts",
    "calibration_parts",
    "equal_mass",
    "equal_width",
    "measured",
    "nll_parts",
    "parts",
    "risk_parts",
    "versus",
]

BINS = 10
CALIBRATION = ("ece", "adaptive_ece", "brier", "nll")
"""Measures of probabilities, which a temperature changes; smaller = better."""
DETECTION = ("aurc", "auroc_confidence", "auroc_margin", "auroc_nearness")
"""Measures of how well scores tell errors: of the first, smaller = better, of the others, larger."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A measure of an arm.

    mean: over draws.
    low, high: interval at 95 % over draws and rows; None where there is one draw or one row.
    draws: of which it is defined.
    """

    mean: float
    low: float | None
    high: float | None
    draws: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Versus:
    """The paired difference of a measure, an arm's less that of another one, with its interval and the p-value of the
    test that it is 0."""

    mean: float
    low: float
    high: float
    p_value: float


def measured(judged: Judged, name: str, *, tempered: bool = False) -> Measured | None:
    """A measure of one arm, by name; None where it is not defined on any draw, or nothing of the kind is known."""
    parts_KT = parts(judged, name, tempered=tempered)
    if parts_KT is None:
        return None
    parts_KT = parts_KT[~np.isnan(parts_KT).all(axis=1)]
    parts_KT = parts_KT[:, ~np.isnan(parts_KT).all(axis=0)]
    if not parts_KT.size:
        return None
    mean, draws = float(np.nanmean(parts_KT, axis=1).mean()), len(parts_KT)
    if min(parts_KT.shape) < 2:
        return Measured(mean=mean, low=None, high=None, draws=draws)
    found = crossed_summary(parts_KT, most=np.inf if name in ("nll", "brier") else 1.0, graded=True)
    return Measured(mean=mean, low=found.low, high=found.high, draws=draws)


def versus(ours: Judged, theirs: Judged, name: str, *, tempered: bool = False) -> Versus | None:
    """The difference of a measure over the draws that both arms have; None where there are not two of them."""
    ours_KT, theirs_KT = parts(ours, name, tempered=tempered), parts(theirs, name, tempered=tempered)
    if ours_KT is None or theirs_KT is None:
        return None
    common = sorted(set(ours.draws) & set(theirs.draws))
    ours_KT, theirs_KT = ours_KT[_at(ours, common)], theirs_KT[_at(theirs, common)]
    both = ~np.isnan(ours_KT).all(axis=1) & ~np.isnan(theirs_KT).all(axis=1)
    some = ~np.isnan(ours_KT[both]).all(axis=0)
    if both.sum() < 2 or some.sum() < 2:
        return None
    found = crossed_difference(ours_KT[both][:, some], theirs_KT[both][:, some], graded=True)
    return Versus(mean=found.mean, low=found.low, high=found.high, p_value=found.p_value)


def parts(judged: Judged, name: str, *, tempered: bool = False) -> Values | None:
    """What each row of each draw contributes to a measure, in the shape of `judged`; None where nothing is known."""
    prefix = TEMPERED if tempered else ""
    score = prefix + "confidence" if name in ("aurc", "auroc_confidence") else name.removeprefix("auroc_")
    needed = [prefix + each for each in ("confidence", "true", "others")] if name in CALIBRATION else [score]
    if not all(judged.has(each) for each in needed):
        return None
    found_KT = np.full(judged.right_KT.shape, np.nan)
    for place, right_T in enumerate(judged.right_KT):
        known_T = ~np.isnan(right_T)
        values = [judged.values[each][place, known_T] for each in needed]
        found_KT[place, known_T] = _MEASURES[name](right_T[known_T], *values)
    return found_KT


def equal_width(confidence_S: Values) -> NDArray[np.int64]:
    """The bin of each row, of ten of equal width; a limit belongs to the bin below it (Guo et al., 2017,
    arXiv:1706.04599)."""
    bins_S: NDArray[np.int64] = np.clip(np.ceil(confidence_S * BINS).astype(np.int64) - 1, 0, BINS - 1)
    return bins_S


def equal_mass(confidence_S: Values) -> NDArray[np.int64]:
    """The bin of each row, of ten with equally many rows (Mukhoti et al., 2020, arXiv:2002.09437). Rows of one
    confidence stay together, in the bin of the middle one, since nothing but their order in the file tells them
    apart."""
    parts = np.array_split(np.arange(len(confidence_S)), BINS)
    bin_by_rank_S = np.repeat(np.arange(BINS, dtype=np.int64), [len(part) for part in parts])
    _, tie_S, count_U = np.unique(confidence_S, return_inverse=True, return_counts=True)
    middle_U = np.cumsum(count_U) - count_U + (count_U - 1) // 2
    bins_S: NDArray[np.int64] = bin_by_rank_S[middle_U][tie_S]
    return bins_S


def calibration_parts(right_S: Values, confidence_S: Values, bins_S: NDArray[np.int64]) -> Values:
    """Contributions to the expected calibration error: the mean over rows of the gap, in its bin, between mean
    confidence and accuracy."""
    gap_S = confidence_S - right_S
    gap_B = np.bincount(bins_S, gap_S, minlength=BINS)
    parts_S: Values = np.where(gap_B[bins_S] >= 0, gap_S, -gap_S)
    return parts_S


def brier_parts(right_S: Values, confidence_S: Values, true_S: Values, others_S: Values) -> Values:
    """The Brier score of each row: the sum over all classes of the squared error of its probability, from 0 to 2."""
    said_S = np.where(right_S == 1, 0.0, confidence_S)
    parts_S: Values = (1 - true_S) ** 2 + said_S**2 + others_S**2
    return parts_S


def nll_parts(true_S: Values) -> Values:
    """The negative logarithm of the probability of each row's class, in nats."""
    parts_S: Values = -np.log(true_S)
    return parts_S


def risk_parts(right_S: Values, score_S: Values) -> Values:
    """Contributions to the area under the risk-coverage curve: the share of errors among the rows with the highest
    scores, as a mean over how many rows are answered (Geifman et al., 2019, arXiv:1805.08206). Rows of one score
    share their errors."""
    _, tie_S = np.unique(-score_S, return_inverse=True)
    error_S = (np.bincount(tie_S, 1 - right_S) / np.bincount(tie_S))[tie_S]
    order = np.argsort(tie_S, kind="stable")
    count_S = np.arange(1, len(order) + 1)
    risk_S = np.cumsum(error_S[order]) / count_S
    rest = np.cumsum((1 / count_S)[::-1])[::-1]  # of the counts at which a row is among those answered
    below = np.cumsum((risk_S / count_S)[::-1])[::-1]
    parts_S = np.empty(len(order))
    parts_S[order] = risk_S + error_S[order] * rest - below
    return parts_S


def auroc_parts(right_S: Values, score_S: Values) -> Values:
    """Contributions to the probability that a row that is classified correctly has a higher score than one that is not,
    ties counting half, with the placements of DeLong et al. (1988, doi:10.2307/2531595); NaN where all rows are
    alike."""
    correct = right_S == 1
    if correct.all() or not correct.any():
        return np.full(len(right_S), np.nan)
    hits, misses = np.sort(score_S[correct]), np.sort(score_S[~correct])
    placed_S = np.empty(len(right_S))
    placed_S[correct] = _share_below(score_S[correct], misses)
    placed_S[~correct] = 1 - _share_below(score_S[~correct], hits)
    area = float(placed_S[correct].mean())
    parts_S: Values = area + (placed_S - area) / np.where(correct, correct.mean(), 1 - correct.mean())
    return parts_S


def _share_below(score_S: Values, others: Values) -> Values:
    low, high = np.searchsorted(others, score_S, side="left"), np.searchsorted(others, score_S, side="right")
    share_S: Values = (low + high) / (2 * len(others))
    return share_S


def _at(judged: Judged, draws: list[int]) -> list[int]:
    places = {draw: place for place, draw in enumerate(judged.draws)}
    return [places[draw] for draw in draws]


_MEASURES: Mapping[str, Callable[..., Values]] = {
    "ece": lambda right_S, confidence_S, *_: calibration_parts(right_S, confidence_S, equal_width(confidence_S)),
    "adaptive_ece": lambda right_S, confidence_S, *_: calibration_parts(
        right_S, confidence_S, equal_mass(confidence_S)
    ),
    "brier": brier_parts,
    "nll": lambda _, __, true_S, *___: nll_parts(true_S),
    "aurc": risk_parts,
    "auroc_confidence": auroc_parts,
    "auroc_margin": auroc_parts,
    "auroc_nearness": auroc_parts,
}
