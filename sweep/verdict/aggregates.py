"""Aggregates over all comparisons of a sweep: mean gains, and ranks over datasets. Shapes: S comparisons, N draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from sweep.verdict.model import Arm, Comparison, Gain
from sweep.verdict.repeated import RepeatedParts
from sweep.verdict.statistics import Ranks, average_ranks, mean_gain
from trainable.shots import Shots, order

__all__ = ["gains", "ranks"]


def gains(comparisons: Sequence[Comparison]) -> tuple[Gain, ...]:
    """The mean gain of each method over the baseline, in the order of the arms; empty for a single comparison.

    Comparisons whose draws test parts of the same few rows are left out: their draws are no sample by themselves.
    """
    comparisons = [comparison for comparison in comparisons if not _tests_parts(comparison)]
    if len(comparisons) < 2:
        return ()
    arms = (arm for comparison in comparisons for arm in comparison.arms)
    methods = dict.fromkeys(arm.method for arm in arms if arm.difference is not None)
    return tuple(_gain(method, comparisons) for method in methods)


def _tests_parts(comparison: Comparison) -> bool:
    differences = (arm.difference for arm in comparison.arms if arm.difference is not None)
    return any(isinstance(difference.components, RepeatedParts) for difference in differences)


def _gain(method: str, comparisons: Sequence[Comparison]) -> Gain:
    draws = sorted({draw for comparison in comparisons for draw in comparison.draws})
    by_dataset: dict[str, list[NDArray[np.float64]]] = {}
    means = []
    for comparison in comparisons:
        arm = comparison.arm(method)
        if arm is not None and arm.difference is not None:
            means.append(arm.difference.mean)
            by_dataset.setdefault(comparison.dataset, []).append(_differences(comparison, arm, draws))
    found = mean_gain([np.stack(rows_N) for rows_N in by_dataset.values()])
    return Gain(
        method=method,
        comparisons=found.n,
        datasets=len(by_dataset),
        mean=found.mean,
        low=found.low,
        high=found.high,
        lowest=min(means),
        highest=max(means),
    )


def _differences(comparison: Comparison, arm: Arm, draws: Sequence[int]) -> NDArray[np.float64]:
    """An arm's differences to the baseline on each of `draws`; NaN where either has no score."""
    base = comparison.arm(comparison.baseline)
    assert base is not None, "the arm has a difference to it"
    pairs = zip(comparison.draws, arm.scores, base.scores, strict=True)
    known = {draw: ours - theirs for draw, ours, theirs in pairs if ours is not None and theirs is not None}
    return np.array([known.get(draw, np.nan) for draw in draws])


def ranks(comparisons: Sequence[Comparison]) -> Mapping[Shots, Ranks]:
    """The methods' average ranks by number of shots, over the datasets on which every method has a score.

    A number of shots with fewer than three such datasets, or fewer than two methods, is left out.
    """
    found: dict[Shots, Ranks] = {}
    for shots in sorted({comparison.shots for comparison in comparisons}, key=order):
        own = [comparison for comparison in comparisons if comparison.shots == shots]
        methods = [arm.method for arm in own[0].arms]
        rows = [_means(own, dataset, methods) for dataset in dict.fromkeys(comparison.dataset for comparison in own)]
        complete = [row for row in rows if row is not None]
        if len(complete) >= 3 and len(methods) >= 2:
            found[shots] = average_ranks(complete, methods)
    return found


def _means(comparisons: Sequence[Comparison], dataset: str, methods: Sequence[str]) -> list[float] | None:
    """The mean score of each method on a dataset, over the values of the other axes; None if any score is missing."""
    own = [comparison for comparison in comparisons if comparison.dataset == dataset]
    arms = [[comparison.arm(method) for comparison in own] for method in methods]
    scores = [[arm.summary.mean for arm in row if arm is not None and arm.summary is not None] for row in arms]
    return [fmean(row) for row in scores] if all(len(row) == len(own) for row in scores) else None
