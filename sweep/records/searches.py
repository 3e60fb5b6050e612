"""Whether the search of a cell has ended before it has all its trials, as its trials tell."""

from __future__ import annotations

from collections.abc import Sequence

from sweep.records.trial import TrialRecord
from trainable.outcomes import Outcome

__all__ = ["is_given_up", "is_on_target"]


def is_on_target(trials: Sequence[TrialRecord], target: float | None) -> bool:
    """Whether one of a cell's trials is as good as the budget asks for."""
    completed = (each.score for each in trials if each.outcome is Outcome.COMPLETED)
    return target is not None and any(score is not None and score >= target for score in completed)


def is_given_up(trials: Sequence[TrialRecord], failures: int) -> bool:
    """Whether the last `failures` trials of a cell that have ended all failed, so that more would fail too."""
    ended = [each for each in trials if each.is_over]
    last = sorted(ended, key=lambda each: each.number)[-failures:]
    return len(last) == failures and all(each.outcome is Outcome.FAILED for each in last)
