"""What a sweep may use, and what it has used: time, trainings, GPU-hours, scores that are good enough, failures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sweep.records.confirmation import ConfirmationRecord
from sweep.records.trial import TrialRecord
from trainable.outcomes import Evaluation

if TYPE_CHECKING:
    from sweep.spec.blocks import Budget

from sweep.records.spent import spent

__all__ = ["Limit", "LimitKind", "Meter"]


class LimitKind(StrEnum):
    """What a budget limits. The hours are those of one run, all else is of the whole sweep."""

    HOURS = "hours"
    REPLICATES = "replicates"
    GPU_HOURS = "GPU-hours"


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of the budget: `the budget of 8 hours`."""

    kind: LimitKind
    amount: float

    def __str__(self) -> str:
        amount = str(self.amount) if isinstance(self.amount, int) else f"{self.amount:g}"
        return f"the budget of {amount} {self.kind}"


@dataclass(slots=True)
class Meter:
    """Counts what the whole sweep has used. The hours alone are those of one run; the next run may use as many again.

    gpus: GPUs of a trial, known once the cluster is joined.
    """

    budget: Budget
    clock: Callable[[], float] = time.monotonic
    gpus: float = 0.0
    _replicates: int = 0
    _seconds: float = 0.0
    _deadline: float | None = None

    @property
    def without_effect(self) -> tuple[str, ...]:
        """The limit that limits nothing here, in words; none if there is none."""
        if self.budget.gpu_hours is None or self.gpus:
            return ()
        return ("budget.gpu_hours limits nothing where a trial takes no GPU; budget.hours and total_replicates do",)

    def start(self, trials: Sequence[TrialRecord], confirmations: Sequence[ConfirmationRecord]) -> None:
        """Begin with what the ledger holds. Call once."""
        if self.budget.hours is not None:
            self._deadline = self.clock() + 3600 * self.budget.hours
        for trial in trials:
            last = trial.config.evaluations
            self._replicates += sum(_ends_replicate(each.evaluation, last) for each in trial.evaluations)
        self._replicates += sum(len(each.replicates) for each in confirmations)
        self._seconds += spent(trials, confirmations).total

    def count(self, evaluation: Evaluation, *, last: int) -> None:
        """Count an evaluation. last: number of the point that ends a replicate."""
        self._replicates += _ends_replicate(evaluation, last)
        self._seconds += evaluation.seconds

    def lose(self, seconds: float) -> None:
        """Count discarded work beyond the evaluations that were reported."""
        self._seconds += seconds

    @property
    def limit(self) -> Limit | None:
        """The limit of the budget that is used up; None while there is none."""
        budget = self.budget
        if budget.hours is not None and self._deadline is not None and self.clock() >= self._deadline:
            return Limit(LimitKind.HOURS, budget.hours)
        if budget.total_replicates is not None and self._replicates >= budget.total_replicates:
            return Limit(LimitKind.REPLICATES, budget.total_replicates)
        if budget.gpu_hours is not None and self._seconds * self.gpus >= 3600 * budget.gpu_hours:
            return Limit(LimitKind.GPU_HOURS, budget.gpu_hours)
        return None


def _ends_replicate(evaluation: Evaluation, last: int) -> bool:
    return evaluation.point == last or evaluation.outcome is not None
