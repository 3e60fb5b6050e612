"""Confirmations as recorded: a configuration, trained again on draws of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sweep.records.trial import DiscardedWork
from trainable.config import TrialConfig
from trainable.outcomes import Evaluation, Outcome

__all__ = ["ConfirmationRecord", "ReplicateRecord", "Role"]


class Role(StrEnum):
    """Why a trial's configuration is trained again: as one of the best of its cell, on a few more draws of the search
    that decide between them, or as the winner, on fresh draws and scored on the test part."""

    FINALIST = "finalist"
    CONFIRMATION = "confirmation"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicateRecord:
    """One finished training of a confirmation. time: seconds since the epoch, when it was recorded. The report says
    which draw and initialisation it was; a replicate that diverged or failed has an outcome and no metrics."""

    time: float
    evaluation: Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmationRecord:
    """A trial's configuration, trained again on draws of its own, side by side over the cluster and never pruned.

    number: position among the confirmations and finalists of its cell, from 0. trial: number of the trial in the cell.
    config: the trial's, with one evaluation at the end. replicates: in the order in which they arrived. outcome: None
    while it goes on, COMPLETED or INTERRUPTED; a replicate that diverged does not end it. started, ended: seconds since
    the epoch. attempts: by `DRAW.INITIALISATION`, how often a worker began that replicate. lost: as for a
    trial.
    """

    cell: str
    number: int
    role: Role
    trial: int
    config: TrialConfig
    started: float
    ended: float | None = None
    outcome: Outcome | None = None
    reason: str = ""
    replicates: tuple[ReplicateRecord, ...] = ()
    attempts: Mapping[str, int] = field(default_factory=dict)
    discarded: tuple[DiscardedWork, ...] = ()
    run_id: str | None = None

    @property
    def key(self) -> str:
        """The record's name within its sweep."""
        return f"{self.cell}#{self.role}-{self.number}"

    @property
    def trained_on(self) -> frozenset[str]:
        """The kinds of devices that trained it, with the precision there."""
        return frozenset(each.evaluation.trained_on for each in self.replicates) - {""}
