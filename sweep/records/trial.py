"""What the ledger holds, as plain values: the sweep, its trials and reports, and the confirmations of winners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainable.config import TrialConfig
from trainable.outcomes import Evaluation, Outcome
from trainable.ranges import Scalar

__all__ = ["DiscardedWork", "EvaluationRecord", "TrialRecord", "outcomes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscardedWork:
    """Work on a replicate that did not come to its end: it is trained again, or its trial given up. seconds: of the
    worker's time, as far as it is known; what a driver that was killed had not heard of yet is not. time: seconds since
    the epoch."""

    time: float
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRecord:
    """A report as recorded. number counts the trial's reports from 1 (replicate * E + evaluation).

    time: seconds since the epoch, when it was recorded. score: what search and pruning see at this report, i.e. the
    mean over the completed replicates, or the running value inside the first one; None when the report carries no
    metrics.
    """

    number: int
    time: float
    score: float | None
    evaluation: Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """A trial as recorded: one configuration of one cell.

    number: position in its cell, from 0. params: what the search chose, by flat name. outcome: None while it runs.
    started, ended: seconds since the epoch. attempts: how often a worker began it. lost: the work that was broken off,
    by the death of a worker or of the driver, or by the end of a run. run_id: its MLflow run, once known.
    """

    cell: str
    number: int
    params: Mapping[str, Scalar]
    config: TrialConfig
    started: float
    ended: float | None = None
    outcome: Outcome | None = None
    reason: str = ""
    detail: str = ""
    score: float | None = None
    evaluations: tuple[EvaluationRecord, ...] = ()
    attempts: int = 1
    discarded: tuple[DiscardedWork, ...] = ()
    run_id: str | None = None

    @property
    def key(self) -> str:
        """The trial's name within its sweep."""
        return f"{self.cell}#{self.number}"

    @property
    def replicate_scores(self) -> tuple[float, ...]:
        """The final score of each completed replicate, in order."""
        name, last = f"val_{self.config.metric}", self.config.evaluations
        evaluations = (each.evaluation for each in self.evaluations if each.evaluation.point == last)
        return tuple(evaluation.metrics[name] for evaluation in evaluations if name in evaluation.metrics)

    @property
    def unfinished(self) -> tuple[EvaluationRecord, ...]:
        """The reports of a replicate that has not come to its end; an interrupted trial trains it again."""
        return tuple(each for each in self.evaluations if each.evaluation.replicate == len(self.replicate_scores))

    @property
    def useful_seconds(self) -> float:
        """Of workers' time, as reported, less what an interrupted trial trains again."""
        vain = self.unfinished if self.outcome is Outcome.INTERRUPTED else ()
        return sum(each.evaluation.seconds for each in self.evaluations) - sum(each.evaluation.seconds for each in vain)

    @property
    def trained_on(self) -> frozenset[str]:
        """The kinds of devices that trained it, with the precision there."""
        return frozenset(each.evaluation.trained_on for each in self.evaluations) - {""}


def outcomes(records: Sequence[TrialRecord]) -> Mapping[str, int]:
    """How many trials ended how; those that have not ended count as `running`."""
    counts: dict[str, int] = {}
    for record in records:
        name = record.outcome.value if record.outcome is not None else "running"
        counts[name] = counts.get(name, 0) + 1
    return counts
