"""The ledger's records of confirmations: a trial's configuration, trained again on further draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sweep.records.trial import DiscardedWork
from trainable.config import TrialConfig
from trainable.outcomes import Evaluation, Outcome

__all__ = ["ConfirmationRecord", "ReplicateRecord", "Role"]


class Role(StrEnum):
    """Why a trial's configuration is trained again.

    FINALIST: it is one of the best of its cell, and a few more draws of the search decide between them.
    CONFIRMATION: it is the winner of its cell, trained on fresh draws and scored on the test part.
    """

    FINALIST = "finalist"
    CONFIRMATION = "confirmation"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicateRecord:
    """One finished replicate of a confirmation.

    time: when it was recorded, in seconds since the epoch.
    evaluation: its only evaluation, with the draw and the initialisation; if it diverged or failed, with an outcome and
        without metrics.
    """

    time: float
    evaluation: Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmationRecord:
    """A trial's configuration, trained again on further draws, in parallel over the cluster and never pruned.

    cell: key of the cell.
    number: position among the confirmations and finalists of its cell, from 0.
    role: whether it is a finalist or the winner.
    trial: number of the trial in the cell.
    config: the trial's configuration, with one evaluation at the end of a replicate.
    started, ended: seconds since the epoch; ended is None while it runs.
    outcome: COMPLETED or INTERRUPTED; None while it runs. A replicate that diverged does not end it.
    reason: why it ended so.
    replicates: the finished ones, in the order in which they arrived.
    attempts: by `DRAW.INITIALISATION`, how often a worker began that replicate.
    discarded: work on it that was interrupted.
    run_id: id of its MLflow run, once known.
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
    def is_over(self) -> bool:
        """Whether nothing more comes of it: one that was interrupted is resumed by a later run."""
        return self.outcome not in (None, Outcome.INTERRUPTED)

    @property
    def trained_with(self) -> frozenset[str]:
        """The versions of code and libraries that trained it."""
        return frozenset(replicate.evaluation.trained_with for replicate in self.replicates) - {""}

    @property
    def trained_on(self) -> frozenset[str]:
        """The kinds of devices that trained it, each with the numerical precision used there."""
        return frozenset(replicate.evaluation.trained_on for replicate in self.replicates) - {""}
