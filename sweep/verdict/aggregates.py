"""What holds over all comparisons of a sweep: mean gains, and ranks over datasets. Shapes: S comparisons, N draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from sweep.verdict.model import Arm, Comparison, Gain
from sweep.verdict.statistics import Ranks, average_ranks, mean_gain

__all__ = ["gains", "ranks"]


def gains(comparisons: Sequence[Comparison]) -> tuple[Gain, ...]:
    """By loss, in the order of the arms; none for a single comparison."""
    if len(comparisons) < 2:
        return ()
    losses = dict.fromkeys(one.loss for each in comparisons for one in each.arms if one.difference is not None)
    return tuple(_gain(loss, comparisons) for loss in losses)


def _gain(loss: str, comparisons: Sequence[Comparison]) -> Gain:
    draws = sorted({draw for each in comparisons for draw in each.draws})
    by_dataset: dict[str, list[NDArray[np.float64]]] = {}
    means = []
    for comparison in comparisons:
        one = _arm(comparison, loss)
        if one is not None and one.difference is not None:
            means.append(one.difference.mean)
            by_dataset.setdefault(comparison.dataset, []).append(_differences(comparison, one, draws))
    found = mean_gain([np.stack(rows_N) for rows_N in by_dataset.values()])
    return Gain(
        loss=loss,
        comparisons=found.n,
        datasets=len(by_dataset),
        mean=found.mean,
        low=found.low,
        high=found.high,
        lowest=min(means),
        highest=max(means),
    )


def _differences(comparison: Comparison, one: Arm, draws: Sequence[int]) -> NDArray[np.float64]:
    """To the baseline, on each of `draws`; not a number where either has no score."""
    base = _arm(comparison, comparison.baseline)
    assert base is not None, "a difference was taken"
    pairs = zip(comparison.draws, one.scores, base.scores, strict=True)
    known = {draw: ours - theirs for draw, ours, theirs in pairs if ours is not None and theirs is not None}
    return np.array([known.get(draw, np.nan) for draw in draws])


def ranks(comparisons: Sequence[Comparison]) -> Mapping[int, Ranks]:
    """By number of shots, over the datasets on which every loss has a score; where these are at least three."""
    found = {}
    for shots in sorted({each.shots for each in comparisons}):
        own = [each for each in comparisons if each.shots == shots]
        losses = [one.loss for one in own[0].arms]
        rows = [_means(own, dataset, losses) for dataset in dict.fromkeys(each.dataset for each in own)]
        whole = [row for row in rows if row is not None]
        if len(whole) >= 3 and len(losses) >= 2:
            found[shots] = average_ranks(whole, losses)
    return found


def _means(comparisons: Sequence[Comparison], dataset: str, losses: Sequence[str]) -> list[float] | None:
    """Of each loss on a dataset, over the values of the other axes; None where one has no score anywhere."""
    own = [each for each in comparisons if each.dataset == dataset]
    arms = [[_arm(each, loss) for each in own] for loss in losses]
    scores = [[one.summary.mean for one in row if one is not None and one.summary is not None] for row in arms]
    return [fmean(row) for row in scores] if all(len(row) == len(own) for row in scores) else None


def _arm(comparison: Comparison, loss: str | None) -> Arm | None:
    return next((one for one in comparison.arms if one.loss == loss), None)
