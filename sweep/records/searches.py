"""Whether the search of a cell has ended before it has all its trials, as its trials tell."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

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
    """Whether so many of a cell's trials have failed one after the other, in the order in which they ended, so that
    more would fail too.

    It stays so whatever comes of those that ran beside them, since a run that resumes must decide as this one did.
    """
    if sum(each.outcome is Outcome.FAILED for each in trials) < failures:
        return False
    ended = sorted((each for each in trials if each.is_over), key=lambda each: each.ended or each.started)
    return any(len(list(row)) >= failures for failed, row in groupby(ended, _failed) if failed)


def _failed(trial: TrialRecord) -> bool:
    return trial.outcome is Outcome.FAILED
