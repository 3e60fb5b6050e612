"""Aggregates over all comparisons of a sweep: mean gains, and ranks over datasets.

Shapes: N draws, T test rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from sweep.verdict.crossed import Components, difference_components
from sweep.verdict.mean_gain import DatasetGain, mean_gain
from sweep.verdict.model import Arm, Comparison, Gain
from sweep.verdict.repeated import RepeatedParts
from sweep.verdict.statistics import Difference, Ranks, average_ranks
from trainable.shots import Shots, order

__all__ = ["gains", "ranks"]


def gains(comparisons: Sequence[Comparison]) -> tuple[Gain, ...]:
    """The mean gain of each method over the baseline, in the order of the arms; empty for a single comparison, and
    where the scores of some are of another metric."""
    if len(comparisons) < 2 or not _are_of_one_metric(comparisons):
        return ()
    arms = (arm for comparison in comparisons for arm in comparison.arms)
    methods = dict.fromkeys(arm.method for arm in arms if arm.difference is not None)
    return tuple(_gain(method, comparisons) for method in methods)


def _gain(method: str, comparisons: Sequence[Comparison]) -> Gain:
    by_dataset: dict[str, list[_Pair]] = {}
    for comparison in comparisons:
        arm, base = comparison.arm(method), comparison.arm(comparison.baseline)
        if arm is not None and base is not None and arm.difference is not None:
            pair = _Pair(arm.difference, _by_draw(comparison, arm, base))
            by_dataset.setdefault(comparison.dataset, []).append(pair)
    found = mean_gain([_on_dataset(pairs) for pairs in by_dataset.values()])
    means = [pair.difference.mean for pairs in by_dataset.values() for pair in pairs]
    return Gain(
        method=method,
        comparisons=len(means),
        datasets=len(by_dataset),
        mean=found.mean,
        low=found.others[0],
        high=found.others[1],
        here_low=found.here[0],
        here_high=found.here[1],
        lowest=min(means),
        highest=max(means),
    )


@dataclass(frozen=True, slots=True)
class _Pair:
    """An arm and the baseline in one comparison: their difference, and what each test row contributes to it on each
    draw; nothing where that is not known."""

    difference: Difference
    rows_by_draw: Mapping[int, NDArray[np.float64]]


def _by_draw(comparison: Comparison, arm: Arm, base: Arm) -> Mapping[int, NDArray[np.float64]]:
    assert arm.difference is not None
    if arm.difference.components is None:
        return {}
    looked = 0 if arm.course is None else arm.course.draws
    judged = looked or len(comparison.draws)  # with draws that failed among them, more than its difference has
    places = [place for place in arm.rows_by_draw if place in base.rows_by_draw and place < judged]
    return {comparison.draws[place]: arm.rows_by_draw[place] - base.rows_by_draw[place] for place in places}


def _on_dataset(pairs: Sequence[_Pair]) -> DatasetGain:
    """The mean over the comparisons of one dataset. Those of more shots are trained on the same rows and more, and all
    are tested on the same ones, so their differences are averaged row by row, where that is known."""
    joint = _joint(pairs)
    errors = [pair.difference.error for pair in pairs]
    allowance = max(1.0, *(_allowance(pair.difference) for pair in pairs))
    freedom = min(pair.difference.freedom for pair in pairs)
    return DatasetGain(
        comparisons=len(pairs),
        mean=fmean(pair.difference.mean for pair in pairs),
        variance=fmean(errors) ** 2 if joint is None else joint.variance * allowance**2,
        freedom=freedom if joint is None else joint.freedom,
    )


def _joint(pairs: Sequence[_Pair]) -> Components | RepeatedParts | None:
    """The analysis of the mean of several differences; None where rows are not known, or differ."""
    draws = [draw for draw in pairs[0].rows_by_draw if all(draw in pair.rows_by_draw for pair in pairs)]
    if len(draws) < 2:
        return None
    tables = [np.stack([pair.rows_by_draw[draw] for draw in draws]) for pair in pairs]
    if not all(np.array_equal(np.isnan(values_NT), np.isnan(tables[0])) for values_NT in tables):
        return None
    return difference_components(np.mean(tables, axis=0))


def _allowance(difference: Difference) -> float:
    """How many times as wide an interval is as draws and rows make it, since it allows for collapses or looks."""
    plain = 0.0 if difference.components is None else float(np.sqrt(difference.components.variance))
    return difference.error / plain if plain > 0 else 1.0


def ranks(comparisons: Sequence[Comparison]) -> Mapping[Shots, Ranks]:
    """The methods' average ranks by number of shots, over the datasets on which every method has a score.

    A number of shots with fewer than three such datasets, or fewer than two methods, is left out. Empty where scores of
    some comparisons are of another metric.
    """
    if not _are_of_one_metric(comparisons):
        return {}
    found: dict[Shots, Ranks] = {}
    for shots in sorted({comparison.shots for comparison in comparisons}, key=order):
        own = [comparison for comparison in comparisons if comparison.shots == shots]
        methods = [arm.method for arm in own[0].arms]
        rows = [_means(own, dataset, methods) for dataset in dict.fromkeys(comparison.dataset for comparison in own)]
        complete = [row for row in rows if row is not None]
        if len(complete) >= 3 and len(methods) >= 2:
            found[shots] = average_ranks(complete, methods)
    return found


def _are_of_one_metric(comparisons: Sequence[Comparison]) -> bool:
    return len({comparison.metric for comparison in comparisons}) == 1


def _means(comparisons: Sequence[Comparison], dataset: str, methods: Sequence[str]) -> list[float] | None:
    """The mean score of each method on a dataset, over the values of the other axes; None if any score is missing."""
    own = [comparison for comparison in comparisons if comparison.dataset == dataset]
    arms = [[comparison.arm(method) for comparison in own] for method in methods]
    scores = [[arm.summary.mean for arm in row if arm is not None and arm.summary is not None] for row in arms]
    return [fmean(row) for row in scores] if all(len(row) == len(own) for row in scores) else None
