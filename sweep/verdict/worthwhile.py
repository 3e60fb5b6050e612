"""Whether more trials of a cell are worthwhile: whether they could gain what its confirmation could resolve.

What the rest of the trials could gain is at most what the last doubling of them brought, for each doubling that is
left: the next one will hardly bring more, and what it brought on validation rows flatters. What a confirmation could
resolve is the difference of two configurations that its test, corrected for all comparisons, finds with a power of
80 %, by the draws alone, without what few test rows leave uncertain. So both err on the side of more trials.

A function of the first trials of a cell and of nothing that comes after, so that a sweep decides the same whenever it
is asked, interrupted or not.

Shapes: T trials, R replicates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2

from sweep.records.trial import TrialRecord
from sweep.verdict.outlook import last_doubling
from sweep.verdict.power import smallest_seen
from sweep.verdict.statistics import LEVEL
from sweep.verdict.variance import rest_variance
from trainable.outcomes import Outcome

__all__ = ["FEWEST", "Enough", "enough"]

FEWEST = 8
"""Trials before a search may end."""
_STEP = 1.25  # how many times as many before it is asked again


@dataclass(frozen=True, slots=True, kw_only=True)
class Enough:
    """After how many trials a search was enough.

    trials: how many. gain: the most that the others could gain. resolved: the least that a confirmation could resolve.
    """

    trials: int
    gain: float
    resolved: float


def enough(trials: Sequence[TrialRecord], planned: int, draws: int, tests: int) -> Enough | None:
    """After how many of a cell's trials no more were worthwhile; None as long as they are, or that is not known.

    planned: number of trials of the cell. draws: of its confirmation. tests: number of comparisons of the sweep.
    """
    ordered = sorted(trials, key=lambda trial: trial.number)
    count = float(FEWEST)
    while draws and (first := round(count)) < min(planned, len(ordered) + 1):
        found = _enough_after(ordered[:first], planned, draws, tests)
        if found is not None:
            return found
        count *= _STEP
    return None


def _enough_after(trials: Sequence[TrialRecord], planned: int, draws: int, tests: int) -> Enough | None:
    if not all(trial.is_over for trial in trials):
        return None
    completed = [trial.replicate_scores for trial in trials if trial.outcome is Outcome.COMPLETED]
    common = min(map(len, completed), default=0)
    rest, lead = rest_variance([scores[:common] for scores in completed]) if completed else None, last_doubling(trials)
    if rest is None or lead is None:
        return None
    gain, resolved = lead * log2(planned / len(trials)), smallest_seen(2 * rest / draws, LEVEL / max(1, tests))
    return Enough(trials=len(trials), gain=gain, resolved=resolved) if gain < resolved else None
