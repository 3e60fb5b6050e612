"""What the MLflow run of a sweep, and of a trial, must look like: a function of the ledger's records alone.

This is the contract with everybody who reads the runs:

    sweep   tags sweep.role=sweep, sweep.name, sweep.id, the facts (git_commit, python, version.ray, ...), and what a
            resumed sweep may change (spec.compare.loss, spec.budget.trials_per_cell, ...); parameters trial.* and
            protocol.*; artifact spec.yaml; metrics trials/OUTCOME and best_score/CELL (step: trials that have ended)
    trial   tags mlflow.parentRunId, sweep.role=trial, sweep.name, sweep.id, sweep.cell, sweep.trial, sweep.attempts,
            sweep.reports, and once it ended sweep.outcome and sweep.reason; the flat configuration as parameters;
            metrics `score` and those of the reports, one step a report; for a failure the artifact failure.txt

The status says whether anybody has to act. FINISHED: completed or pruned, all is well; a pruned trial was stopped on
purpose, and its tag says so. FAILED: diverged or failed, read sweep.reason. KILLED: interrupted, the next run of the
sweep goes on with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from sweep.records import SweepRecord, TrialRecord
from sweep.tracking.store import redacted
from trainable.reports import Outcome

__all__ = [
    "ID_TAG",
    "REPORTS_TAG",
    "SWEEP_ROLE",
    "TRANSIENT_TAGS",
    "TRIAL_ROLE",
    "Point",
    "WantedRun",
    "points",
    "run_key",
    "summary",
    "sweep_run",
    "trial_run",
]

ROLE_TAG, ID_TAG, REPORTS_TAG = "sweep.role", "sweep.id", "sweep.reports"
SWEEP_ROLE, TRIAL_ROLE = "sweep", "trial"
TRANSIENT_TAGS = ("sweep.outcome", "sweep.reason")  # gone again when an interrupted trial goes on

_TRIAL_STATUS = {
    None: "RUNNING",
    Outcome.COMPLETED: "FINISHED",
    Outcome.PRUNED: "FINISHED",
    Outcome.DIVERGED: "FAILED",
    Outcome.FAILED: "FAILED",
    Outcome.INTERRUPTED: "KILLED",
}
_SWEEP_STATUS = {"running": "RUNNING", "finished": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}
_CONSTANT = ("trial", "protocol")  # parameters of a run can never change; the ledger keeps these blocks from changing
_VARIABLE = ("compare", "budget", "pruning", "resources")
_LONGEST = 5000  # characters of a tag or parameter; MLflow takes 6000


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRun:
    """A run as it should be. started, ended: milliseconds since the epoch. texts: artifacts by file name."""

    name: str
    status: str
    started: int
    ended: int | None
    tags: Mapping[str, str]
    params: Mapping[str, str]
    texts: Mapping[str, str] = field(default_factory=dict)


class Point(NamedTuple):
    """One value of a metric. time: milliseconds since the epoch."""

    name: str
    value: float
    time: int
    step: int


def run_key(tags: Mapping[str, str]) -> tuple[str, str | None]:
    """Role of a run, and of a trial's run the trial's key."""
    role = tags.get(ROLE_TAG, "")
    return role, f"{tags.get('sweep.cell')}#{tags.get('sweep.trial')}" if role == TRIAL_ROLE else None


def sweep_run(sweep: SweepRecord) -> WantedRun:
    """The parent run of a sweep."""
    commit = {"mlflow.source.git.commit": sweep.facts["git_commit"]} if "git_commit" in sweep.facts else {}
    changeable = {f"spec.{key}": value for key, value in _flat(sweep.spec, _VARIABLE)}
    tags = {ROLE_TAG: SWEEP_ROLE, "sweep.name": sweep.name, ID_TAG: sweep.id, **sweep.facts, **commit, **changeable}
    ended = None if sweep.state == "running" else _milliseconds(sweep.ended or sweep.created)
    return WantedRun(
        name=sweep.name,
        status=_SWEEP_STATUS[sweep.state],
        started=_milliseconds(sweep.created),
        ended=ended,
        tags=_short(tags),
        params=_short(dict(_flat(sweep.spec, _CONSTANT))),
        texts={"spec.yaml": redacted(yaml.safe_dump(dict(sweep.spec), sort_keys=False, allow_unicode=True))},
    )


def trial_run(record: TrialRecord, sweep: SweepRecord, parent: str) -> WantedRun:
    """The run of a trial, nested under the run `parent`."""
    tags = {
        "mlflow.parentRunId": parent,
        ROLE_TAG: TRIAL_ROLE,
        "sweep.name": sweep.name,
        ID_TAG: sweep.id,
        "sweep.cell": record.cell,
        "sweep.trial": str(record.number),
        "sweep.attempts": str(record.attempts),
    }
    if record.outcome is not None:
        tags["sweep.outcome"] = record.outcome.value
    if record.reason:
        tags["sweep.reason"] = record.reason
    return WantedRun(
        name=f"{record.config.loss.name} #{record.number} of {record.cell}",  # the page cuts names at the end
        status=_TRIAL_STATUS[record.outcome],
        started=_milliseconds(record.started),
        ended=None if record.outcome is None else _milliseconds(record.ended or record.started),
        tags=_short(tags),
        params=_short({key: str(value) for key, value in record.config.flat().items() if value is not None}),
        texts={"failure.txt": record.detail} if record.outcome is Outcome.FAILED and record.detail else {},
    )


def points(record: TrialRecord, *, after: int) -> list[Point]:
    """The metrics of a trial's reports whose numbers are above `after`."""
    return [
        Point(name, value, _milliseconds(report.time), report.number)
        for report in record.reports
        if report.number > after
        for name, value in {"score": report.score, **report.report.metrics}.items()
        if value is not None
    ]


def summary(trials: Iterable[TrialRecord], *, now: float) -> list[Point]:
    """The sweep's own metrics: how many trials ended in which way, and the best completed score of each cell."""
    counts = dict.fromkeys(Outcome, 0)
    best: dict[str, float] = {}
    for record in trials:
        if record.outcome is not None:
            counts[record.outcome] += 1
        if record.outcome is Outcome.COMPLETED and record.score is not None:
            name = f"best_score/{_legal(record.cell)}"
            best[name] = max(best.get(name, record.score), record.score)
    values = {**{f"trials/{outcome}": float(count) for outcome, count in counts.items()}, **best}
    step = sum(counts.values()) - counts[Outcome.INTERRUPTED]
    return [Point(name, value, _milliseconds(now), step) for name, value in values.items()]


def _milliseconds(seconds: float) -> int:
    return round(1000 * seconds)


def _short(values: Mapping[str, str]) -> dict[str, str]:
    return {key: value[:_LONGEST] for key, value in values.items()}


def _legal(cell: str) -> str:
    """The cell as part of a metric's name: only characters that MLflow allows, in a normal path."""
    parts = re.sub(r"[^/\w.\- ]", "_", cell).split("/")
    return "/".join("_" if part in ("", ".", "..") else part for part in parts)[:200].rstrip("/")


def _flat(spec: Mapping[str, Any], blocks: Sequence[str]) -> Iterator[tuple[str, str]]:
    for block in blocks:
        if block in spec:
            yield from _leaves(block, spec[block])


def _leaves(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _leaves(f"{key}.{name}", part)
    elif isinstance(value, list | tuple) and not any(isinstance(each, Mapping | list | tuple) for each in value):
        yield key, ", ".join(map(str, value))
    elif value is not None:
        yield key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
