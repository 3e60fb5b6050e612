"""What the MLflow run of a sweep, and of a trial, must look like: a function of the ledger's records alone.

This is the contract with everybody who reads the runs:

    sweep   tags sweep.role=sweep, sweep.name, sweep.id, the facts (git_commit, python, version.ray, ...), and what a
            resumed sweep may change (spec.compare.loss, spec.budget.trials_per_cell, ...); parameters trial.* and
            protocol.*; artifacts spec.yaml and report/; metrics trials/OUTCOME and best_score/CELL (step: trials that
            have ended), and confirmed/CELL, the mean test score of the winner
    trial   tags mlflow.parentRunId, sweep.role=trial, sweep.name, sweep.id, sweep.cell, sweep.trial, sweep.attempts,
            sweep.reports, and once it ended sweep.outcome and sweep.reason; the flat configuration as parameters;
            metrics `score` and those of the reports, one step a report; for a failure the artifact failure.txt
    confirmation, finalist
            as a trial, of which they have the configuration; tag sweep.confirmation, their number in the cell; metrics
            with one step a draw, from 0, and `mean_...` over the draws so far; of draws trained twice, the second
            training under `reseeded_...`

The status says whether anybody has to act. FINISHED: completed or pruned, all is well; a pruned trial was stopped on
purpose, and its tag says so. FAILED: diverged or failed, read sweep.reason. KILLED: interrupted, the next run of the
sweep goes on with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any, NamedTuple

import yaml

from sweep.records import ConfirmationRecord, ReplicateRecord, Role, SweepRecord, TrialRecord
from sweep.tracking.store import redacted
from trainable.config import TrialConfig
from trainable.draws import CONFIRMATION_START
from trainable.reports import Outcome

__all__ = [
    "ID_TAG",
    "REPORTS_TAG",
    "ROLES",
    "ROLE_TAG",
    "SWEEP_ROLE",
    "TRANSIENT_TAGS",
    "Point",
    "WantedRun",
    "points",
    "reports",
    "run_key",
    "run_of",
    "summary",
    "sweep_run",
]

ROLE_TAG, ID_TAG, REPORTS_TAG = "sweep.role", "sweep.id", "sweep.reports"
SWEEP_ROLE, TRIAL_ROLE = "sweep", "trial"
ROLES = (SWEEP_ROLE, TRIAL_ROLE, *(role.value for role in Role))
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
    """Role of a run, and the key of the trial or confirmation that it shows; None for the sweep's own."""
    role, cell = tags.get(ROLE_TAG, ""), tags.get("sweep.cell")
    if role == TRIAL_ROLE:
        return role, f"{cell}#{tags.get('sweep.trial')}"
    return role, f"{cell}#{role}-{tags.get('sweep.confirmation')}" if role in set(Role) else None


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


def run_of(record: TrialRecord | ConfirmationRecord, sweep: SweepRecord, parent: str) -> WantedRun:
    """The run of a trial or a confirmation, nested under the run `parent`."""
    wanted = _trial_run(record) if isinstance(record, TrialRecord) else _confirmation_run(record)
    tags = {"mlflow.parentRunId": parent, "sweep.name": sweep.name, ID_TAG: sweep.id, "sweep.cell": record.cell}
    if record.outcome is not None:
        tags["sweep.outcome"] = record.outcome.value
    if record.reason:
        tags["sweep.reason"] = record.reason
    return replace(wanted, tags=_short({**tags, **wanted.tags}))


def reports(record: TrialRecord | ConfirmationRecord) -> int:
    """How many reports the record has."""
    return record.reports[-1].number if isinstance(record, TrialRecord) and record.reports else _replicates(record)


def points(record: TrialRecord | ConfirmationRecord, *, after: int) -> list[Point]:
    """The metrics of a record's reports whose numbers are above `after`."""
    if isinstance(record, TrialRecord):
        return [
            Point(name, value, _milliseconds(report.time), report.number)
            for report in record.reports
            if report.number > after
            for name, value in {"score": report.score, **report.report.metrics}.items()
            if value is not None
        ]
    new = record.replicates[after:]
    return [point for replicate in new for point in _replicate_points(replicate, record)] + _means(record, after)


def _trial_run(record: TrialRecord) -> WantedRun:
    return WantedRun(
        name=f"{record.config.loss.name} #{record.number} of {record.cell}",  # the page cuts names at the end
        status=_TRIAL_STATUS[record.outcome],
        started=_milliseconds(record.started),
        ended=None if record.outcome is None else _milliseconds(record.ended or record.started),
        tags={ROLE_TAG: TRIAL_ROLE, "sweep.trial": str(record.number), "sweep.attempts": str(record.attempts)},
        params=_params(record.config),
        texts={"failure.txt": record.detail} if record.outcome is Outcome.FAILED and record.detail else {},
    )


def _confirmation_run(record: ConfirmationRecord) -> WantedRun:
    return WantedRun(
        name=f"{record.role}: {record.config.loss.name} #{record.trial} of {record.cell}",
        status=_TRIAL_STATUS[record.outcome],
        started=_milliseconds(record.started),
        ended=None if record.outcome is None else _milliseconds(record.ended or record.started),
        tags={
            ROLE_TAG: record.role.value,
            "sweep.trial": str(record.trial),
            "sweep.confirmation": str(record.number),
            "sweep.attempts": str(sum(record.attempts.values())),
        },
        params=_params(record.config),
    )


def _params(config: TrialConfig) -> Mapping[str, str]:
    return _short({key: str(value) for key, value in config.flat().items() if value is not None})


def _replicates(record: TrialRecord | ConfirmationRecord) -> int:
    return len(record.replicates) if isinstance(record, ConfirmationRecord) else 0


def _replicate_points(replicate: ReplicateRecord, record: ConfirmationRecord) -> Iterator[Point]:
    report = replicate.report
    step = report.draw - (CONFIRMATION_START if record.role is Role.CONFIRMATION else record.config.replicates)
    prefix = "reseeded_" if report.initialisation else ""
    for name, value in report.metrics.items():
        yield Point(prefix + name, value, _milliseconds(replicate.time), step)


def _means(record: ConfirmationRecord, after: int) -> list[Point]:
    """The means over the draws so far, at the number of reports as their step."""
    own = [each for each in record.replicates if not each.report.initialisation and each.report.metrics]
    if not own or len(record.replicates) <= after:
        return []
    prefix = "test_" if record.role is Role.CONFIRMATION else "val_"
    names = [name for name in own[0].report.metrics if name.startswith(prefix)]
    values = {name: [each.report.metrics[name] for each in own if name in each.report.metrics] for name in names}
    time = _milliseconds(record.replicates[-1].time)
    return [Point(f"mean_{name}", fmean(known), time, len(record.replicates)) for name, known in values.items()]


def summary(
    trials: Iterable[TrialRecord], confirmations: Iterable[ConfirmationRecord] = (), *, now: float
) -> list[Point]:
    """The sweep's own metrics: how many trials ended in which way, the best completed score of each cell, and the mean
    test score of each winner whose confirmation is complete."""
    counts = dict.fromkeys(Outcome, 0)
    best: dict[str, float] = {}
    for record in trials:
        if record.outcome is not None:
            counts[record.outcome] += 1
        if record.outcome is Outcome.COMPLETED and record.score is not None:
            name = f"best_score/{_legal(record.cell)}"
            best[name] = max(best.get(name, record.score), record.score)
    values = {**{f"trials/{outcome}": float(count) for outcome, count in counts.items()}, **best}
    values |= {f"confirmed/{_legal(cell)}": score for cell, score in _confirmed(confirmations).items()}
    step = sum(counts.values()) - counts[Outcome.INTERRUPTED]
    return [Point(name, value, _milliseconds(now), step) for name, value in values.items()]


def _confirmed(confirmations: Iterable[ConfirmationRecord]) -> Mapping[str, float]:
    """By cell, the mean test score of its last complete confirmation."""
    found = {}
    for record in confirmations:
        name = f"mean_test_{record.config.metric}"
        means = {point.name: point.value for point in _means(record, 0)}
        if record.role is Role.CONFIRMATION and record.outcome is Outcome.COMPLETED and name in means:
            found[record.cell] = means[name]
    return found


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
