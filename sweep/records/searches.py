"""Whether the search of a cell has ended before it has all its trials, as its trials tell."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from sweep.records.trial import TrialRecord
from trainable.outcomes import Outcome

__all__ = ["is_given_up", "is_on_target"]


def is_on_target(trials: Sequence[TrialRecord], target: float | None) -> bool:
    """Whether one of a cell's trials is as good as the budget asks for."""
    if target is None:
        return False
    completed = (each.score for each in trials if each.outcome is Outcome.COMPLETED)
    return any(score is not None and score >= target for score in completed)


def is_given_up(trials: Sequence[TrialRecord], failures: int) -> bool:
    """Whether the last `failures` trials of a cell that have ended all failed, so that more would fail too.

    trials: in the order in which they were asked for.
    """
    last = list(islice((each.outcome for each in reversed(trials) if each.is_over), failures))
    return last == failures * [Outcome.FAILED]
