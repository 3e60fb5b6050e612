"""The workers' time that a sweep has used, by purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sweep.records.confirmation import ConfirmationRecord, Role
from sweep.records.trial import TrialRecord

__all__ = ["Spent", "spent"]


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of workers' time, training and scoring together.

    search: for trials and finalists.
    confirmation: for the winners on fresh draws.
    discarded: for work that was interrupted and whose result was not used.
    """

    search: float
    confirmation: float
    discarded: float

    def __add__(self, other: Spent) -> Spent:
        """The sum, purpose by purpose."""
        return Spent(
            self.search + other.search, self.confirmation + other.confirmation, self.discarded + other.discarded
        )

    @property
    def useful(self) -> float:
        """The seconds without what was interrupted, which is no cost of a method."""
        return self.search + self.confirmation

    @property
    def total(self) -> float:
        """The seconds for all purposes together."""
        return self.search + self.confirmation + self.discarded


def spent(trials: Sequence[TrialRecord], confirmations: Sequence[ConfirmationRecord]) -> Spent:
    """The workers' time that these records have used."""
    records: tuple[TrialRecord | ConfirmationRecord, ...] = (*trials, *confirmations)
    return Spent(
        search=sum(trial.useful_seconds for trial in trials) + _replicate_seconds(confirmations, Role.FINALIST),
        confirmation=_replicate_seconds(confirmations, Role.CONFIRMATION),
        discarded=sum(work.seconds for record in records for work in record.discarded),
    )


def _replicate_seconds(confirmations: Sequence[ConfirmationRecord], role: Role) -> float:
    own = (record for record in confirmations if record.role is role)
    return sum(replicate.evaluation.seconds for record in own for replicate in record.replicates)
