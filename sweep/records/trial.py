"""The ledger's records of trials, as plain values: a trial, its evaluations, and the work on it that was discarded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import geometric_mean

from trainable.config import TrialConfig
from trainable.outcomes import Evaluation, Outcome
from trainable.ranges import Scalar

__all__ = ["DiscardedWork", "EvaluationRecord", "TrialRecord", "outcomes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscardedWork:
    """Work on a replicate that was interrupted before the replicate ended, so that its result was not used.

    The replicate is trained again, or its trial is given up.

    time: when the interruption was recorded, in seconds since the epoch.
    seconds: the worker's time, as far as the driver knew it; work that a killed driver had not heard of is missing.
    reason: why the work was interrupted.
    """

    time: float
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRecord:
    """One evaluation of a trial, as recorded.

    number: position among the trial's evaluations, from 1 (replicate * E + evaluation point).
    time: when it was recorded, in seconds since the epoch.
    score: what search and pruning see at this evaluation: the mean over the completed replicates, or the running value
        inside the first one; None if the evaluation carries no metrics.
    evaluation: what the worker sent.
    """

    number: int
    time: float
    score: float | None
    evaluation: Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """A trial as recorded: one configuration of one cell.

    cell: key of its cell.
    number: position in its cell, from 0.
    params: the values that the search chose, by flat name.
    config: the whole configuration.
    started, ended: seconds since the epoch; ended is None while it runs.
    outcome: how it ended; None while it runs.
    reason, detail: why it ended so, in one line, and the traceback of an error.
    score: its last score; None before the first evaluation with metrics.
    evaluations: all that are recorded, in order.
    attempts: how often a worker began it.
    origin: the trial of another sweep that suggested its values (`search.warm_start`), as `SWEEP/CELL#NUMBER`.
    discarded: work interrupted by the death of a worker or of the driver, or by the end of a run.
    run_id: id of its MLflow run, once known.
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
    origin: str = ""
    discarded: tuple[DiscardedWork, ...] = ()
    run_id: str | None = None

    @property
    def key(self) -> str:
        """The trial's name within its sweep."""
        return f"{self.cell}#{self.number}"

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of it: one that was interrupted is resumed by a later run."""
        return self.outcome not in (None, Outcome.INTERRUPTED)

    @property
    def replicate_scores(self) -> tuple[float, ...]:
        """The final score of each completed replicate, in order."""
        name, last = f"val_{self.config.metric}", self.config.evaluations
        evaluations = (record.evaluation for record in self.evaluations if record.evaluation.point == last)
        return tuple(evaluation.metrics[name] for evaluation in evaluations if name in evaluation.metrics)

    @property
    def ends(self) -> tuple[Evaluation, ...]:
        """The last evaluation of each replicate that was trained to its end, or diverged, in order."""
        last = self.config.evaluations
        evaluations = (record.evaluation for record in self.evaluations)
        return tuple(each for each in evaluations if each.point == last or each.outcome is Outcome.DIVERGED)

    @property
    def temperature(self) -> float | None:
        """The temperature of its scores, the geometric mean over its draws, where the rows of a draw took turns to
        validate: fitted to rows that trained nothing. None where draws have validation rows of their own."""
        known = [end.metrics["val_temperature"] for end in self.ends if "val_temperature" in end.metrics]
        return geometric_mean(known) if known else None

    @property
    def unfinished(self) -> tuple[EvaluationRecord, ...]:
        """The evaluations of the replicate that has not ended yet; an interrupted trial trains it again."""
        current = len(self.replicate_scores)
        return tuple(record for record in self.evaluations if record.evaluation.replicate == current)

    @property
    def lost_seconds(self) -> float:
        """Seconds of the replicate that has not ended yet, as reported since work was last on record as lost."""
        since = max((work.time for work in self.discarded), default=0.0)
        return _seconds([record for record in self.unfinished if record.time > since])

    @property
    def useful_seconds(self) -> float:
        """Seconds of workers' time over all evaluations, less those that an interrupted trial trains again."""
        repeated = self.unfinished if self.outcome is Outcome.INTERRUPTED else ()
        return _seconds(self.evaluations) - _seconds(repeated)

    @property
    def trained_with(self) -> frozenset[str]:
        """The versions of code and libraries that trained it."""
        return frozenset(record.evaluation.trained_with for record in self.evaluations) - {""}

    @property
    def trained_on(self) -> frozenset[str]:
        """The kinds of devices that trained it, each with the numerical precision used there."""
        return frozenset(record.evaluation.trained_on for record in self.evaluations) - {""}


def outcomes(records: Sequence[TrialRecord]) -> Mapping[str, int]:
    """The number of trials by outcome; those that have not ended count as `running`."""
    counts: dict[str, int] = {}
    for record in records:
        name = record.outcome.value if record.outcome is not None else "running"
        counts[name] = counts.get(name, 0) + 1
    return counts


def _seconds(records: Sequence[EvaluationRecord]) -> float:
    return sum(record.evaluation.seconds for record in records)
