"""What the ledger holds, as plain values: the sweep, its trials and reports, and the confirmations of winners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from trainable.config import TrialConfig
from trainable.ranges import Scalar
from trainable.reports import Outcome, Report

__all__ = [
    "ConfirmationRecord",
    "DataRecord",
    "LostWork",
    "ReplicateRecord",
    "ReportRecord",
    "Role",
    "SweepRecord",
    "TrialRecord",
]


class Role(StrEnum):
    """Why a trial's configuration is trained again: as one of the best of its cell, on a few more draws of the search
    that decide between them, or as the winner, on fresh draws and scored on the test part."""

    FINALIST = "finalist"
    CONFIRMATION = "confirmation"


@dataclass(frozen=True, slots=True, kw_only=True)
class LostWork:
    """Work on a replicate that did not come to its end: it is trained again, or its trial given up. seconds: of the
    worker's time, as far as it is known; what a driver that was killed had not heard of yet is not. time: seconds since
    the epoch."""

    time: float
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRecord:
    """A report as recorded. number counts the trial's reports from 1 (replicate * E + evaluation).

    time: seconds since the epoch, when it was recorded. score: what search and pruning see at this report, i.e. the
    mean over the completed replicates, or the running value inside the first one; None when the report carries no
    metrics.
    """

    number: int
    time: float
    score: float | None
    report: Report


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
    reports: tuple[ReportRecord, ...] = ()
    attempts: int = 1
    lost: tuple[LostWork, ...] = ()
    run_id: str | None = None

    @property
    def key(self) -> str:
        """The trial's name within its sweep."""
        return f"{self.cell}#{self.number}"

    @property
    def replicate_scores(self) -> tuple[float, ...]:
        """The final score of each completed replicate, in order."""
        name, last = f"val_{self.config.metric}", self.config.evaluations
        reports = (each.report for each in self.reports if each.report.evaluation == last)
        return tuple(report.metrics[name] for report in reports if name in report.metrics)

    @property
    def unfinished(self) -> tuple[ReportRecord, ...]:
        """The reports of a replicate that has not come to its end; an interrupted trial trains it again."""
        return tuple(each for each in self.reports if each.report.replicate == len(self.replicate_scores))

    @property
    def useful_seconds(self) -> float:
        """Of workers' time, as reported, less what an interrupted trial trains again."""
        vain = self.unfinished if self.outcome is Outcome.INTERRUPTED else ()
        return sum(each.report.seconds for each in self.reports) - sum(each.report.seconds for each in vain)

    @property
    def trained_on(self) -> frozenset[str]:
        """The kinds of devices that trained it, with the precision there."""
        return frozenset(each.report.trained_on for each in self.reports) - {""}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicateRecord:
    """One finished training of a confirmation. time: seconds since the epoch, when it was recorded. The report says
    which draw and initialisation it was; a replicate that diverged or failed has an outcome and no metrics."""

    time: float
    report: Report


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
    lost: tuple[LostWork, ...] = ()
    run_id: str | None = None

    @property
    def key(self) -> str:
        """The record's name within its sweep."""
        return f"{self.cell}#{self.role}-{self.number}"

    @property
    def trained_on(self) -> frozenset[str]:
        """The kinds of devices that trained it, with the precision there."""
        return frozenset(each.report.trained_on for each in self.replicates) - {""}


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRecord:
    """What a report says of a dataset. pool, test: rows of each part. test_counts: rows of the test part by class."""

    name: str
    class_names: tuple[str, ...]
    pool: int
    test: int
    test_counts: tuple[int, ...]
    notes: tuple[str, ...] = ()

    @property
    def majority_share(self) -> float:
        """The test accuracy of always guessing the most frequent class."""
        return max(self.test_counts) / self.test

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> DataRecord:
        """The inverse of `dataclasses.asdict`, also after JSON has made lists of tuples."""
        return cls(**{**fields, **{name: tuple(fields[name]) for name in ("class_names", "test_counts", "notes")}})


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRecord:
    """The sweep as recorded. id is unique over all sweeps; spec is the resolved spec; facts are git commit, package
    versions and hardware; data says of each dataset what a report needs; state is `running`, `interrupted`,
    `finished` or `failed`. created, ended: seconds since the epoch.
    """

    id: str
    name: str
    spec: Mapping[str, Any]
    created: float
    ended: float | None = None
    state: str = "running"
    facts: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, DataRecord] = field(default_factory=dict)
    run_id: str | None = None
