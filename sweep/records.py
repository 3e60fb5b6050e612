"""What the ledger holds, as plain values: the sweep, its trials and their reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trainable.config import TrialConfig
from trainable.ranges import Scalar
from trainable.reports import Outcome, Report

__all__ = ["ReportRecord", "SweepRecord", "TrialRecord"]


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
    started, ended: seconds since the epoch. attempts: how often a worker began it. run_id: its MLflow run, once known.
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
    run_id: str | None = None

    @property
    def key(self) -> str:
        """The trial's name within its sweep."""
        return f"{self.cell}#{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRecord:
    """The sweep as recorded. id is unique over all sweeps; spec is the resolved spec; facts are git commit, package
    versions and hardware; state is `running`, `interrupted`, `finished` or `failed`. created, ended: seconds since the
    epoch.
    """

    id: str
    name: str
    spec: Mapping[str, Any]
    created: float
    ended: float | None = None
    state: str = "running"
    facts: Mapping[str, str] = field(default_factory=dict)
    run_id: str | None = None
