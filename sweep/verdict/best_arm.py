"""The arm of a comparison that is named best, and what its difference is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sweep.verdict.model import Arm
from sweep.verdict.named_best import NamedBest, named_best

__all__ = ["best_arm", "largest_difference"]

_FEWEST = 3  # draws, of which correlations and errors tell enough to hold differences against each other


def best_arm(arms: Sequence[Arm], baseline: str | None) -> Arm | None:
    """The arm with the largest paired difference, or the first of equals; without differences, the highest mean.

    A paired difference is not affected by draws that an arm lacks. Two arms that lack different draws, as where looks
    ended one earlier, have theirs over different draws: of those the one that is ahead over the draws of both.
    """
    base = next((arm.summary.mean for arm in arms if arm.method == baseline and arm.summary), 0.0)

    def lead(arm: Arm) -> float:
        assert arm.summary is not None
        return arm.difference.mean if arm.difference else arm.summary.mean - base

    best: Arm | None = None
    for arm in sorted((arm for arm in arms if arm.summary is not None), key=lead, reverse=True):
        best = arm if best is None or (lead(arm) > 0 and _is_ahead_elsewhere(arm, best)) else best
    return best


def _is_ahead_elsewhere(arm: Arm, best: Arm) -> bool:
    """Whether an arm is ahead of another one that lacks other draws, over the draws of both."""
    pairs = list(zip(arm.scores, best.scores, strict=True))
    lacking = any((ours is None) != (theirs is None) for ours, theirs in pairs)
    return lacking and sum(ours - theirs for ours, theirs in pairs if ours is not None and theirs is not None) > 0


def largest_difference(arms: Sequence[Arm], together: NDArray[np.float64]) -> NamedBest | None:
    """The largest of the differences to the baseline, with its having been chosen allowed for; None without a choice,
    of fewer than three draws, and in looks.

    together: the correlation of the differences.
    """
    found = [arm.difference for arm in arms if arm.difference is not None]
    if any(arm.course is not None for arm in arms) or any(each.n < _FEWEST for each in found):
        return None
    means, errors = [each.mean for each in found], [each.error for each in found]
    answers = [sum(int((~np.isnan(rows_T)).sum()) for rows_T in arm.rows_by_draw.values()) for arm in arms]
    step = 1 / min(filter(None, answers), default=np.inf)
    freedom = min((each.freedom for each in found), default=1.0)
    best = named_best(means, errors, together, freedom, step)
    if best is None:
        return None
    mean, low, high = (max(-1.0, min(1.0, value)) for value in (best.mean, best.low, best.high))  # as shares differ
    return replace(best, mean=mean, low=low, high=high)
