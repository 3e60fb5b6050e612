"""What a sweep has used of its workers' time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sweep.records.confirmation import ConfirmationRecord, Role
from sweep.records.trial import TrialRecord

if TYPE_CHECKING:
    pass

__all__ = ["Spent", "spent"]


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds that workers have trained and scored. search: finalists included. lost: what was broken off."""

    search: float
    confirmation: float
    discarded: float

    def __add__(self, other: Spent) -> Spent:
        """Both together."""
        return Spent(
            self.search + other.search, self.confirmation + other.confirmation, self.discarded + other.discarded
        )

    @property
    def total(self) -> float:
        """All of it."""
        return self.search + self.confirmation + self.discarded


def spent(trials: Sequence[TrialRecord], confirmations: Sequence[ConfirmationRecord]) -> Spent:
    """What these records have cost."""
    seconds = {
        role: sum(
            each.evaluation.seconds for record in confirmations if record.role is role for each in record.replicates
        )
        for role in Role
    }
    lost = [each for trial in trials for each in trial.discarded]
    lost += [each for record in confirmations for each in record.discarded]
    return Spent(
        search=sum(trial.useful_seconds for trial in trials) + seconds[Role.FINALIST],
        confirmation=seconds[Role.CONFIRMATION],
        discarded=sum(each.seconds for each in lost),
    )
