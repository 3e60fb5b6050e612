"""The MLflow run of a sweep, and of a trial, as it should be: a function of the ledger's records alone.

This is the contract with everybody who reads the runs:

    sweep   tags sweep.role=sweep, sweep.name, sweep.id, mlflow.source.name, mlflow.note.content (the verdict, once
            there is a report), the provenance (git_commit, python, version.ray, ...), the
            fields that a resumed sweep may change (spec.compare.loss, spec.budget.trials_per_cell, ...), and
            sweep.reports, the number of ended trials that its metrics cover; parameters trial.* and protocol.*;
            artifacts spec.yaml, report/ and explain/; metrics trials/OUTCOME and best_score/CELL (step: trials that
            have ended), and confirmed/CELL, the mean test score of the winner; its datasets as inputs
    trial   tags mlflow.parentRunId, sweep.role=trial, sweep.name, sweep.id, sweep.cell, sweep.trial, sweep.attempts,
            sweep.origin (the trial of another sweep that suggested it, if one did),
            sweep.reports (the number of evaluations), sweep.trained_on (device and precision), sweep.trained_with
            (versions of code and libraries), sweep.lost_seconds (the discarded work, if any), and once it ended
            sweep.outcome and sweep.reason; the flat configuration as parameters; metrics `score` and those of the
            evaluations, one step for each evaluation; for a failure the artifact failure.txt
    confirmation, finalist
            as a trial, with that trial's configuration; tag sweep.confirmation, their number in the cell; metrics
            with one step for each draw, from 0, and `mean_...` over the draws so far (step: replicates that have
            ended); for draws trained twice, the second training under `reseeded_...`; for replicates that failed the
            artifact failure.txt; of a confirmation predictions.json, the predicted class of each test row by each rule,
            and confidences.json, how sure the classifier was of it

The status says whether anybody has to act. FINISHED: completed or pruned, nothing to do; a pruned trial was stopped on
purpose, and its tag says so. FAILED: diverged or failed, read sweep.reason. KILLED: interrupted, the next run of the
sweep resumes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import yaml

from sweep.addresses import redacted
from sweep.records.confirmation import ConfirmationRecord, Role
from sweep.records.sweep import SweepRecord, SweepState
from sweep.records.trial import TrialRecord
from sweep.tracking.metrics import milliseconds, num_evaluations
from trainable.confidences import Confidences
from trainable.config import TrialConfig
from trainable.outcomes import Evaluation, Outcome
from trainable.predicted_classes import PredictedClasses

__all__ = [
    "ID_TAG",
    "NOTE_TAG",
    "REPORTS_TAG",
    "ROLES",
    "ROLE_TAG",
    "SPEC_TAGS",
    "SWEEP_ROLE",
    "TRANSIENT_TAGS",
    "WantedRun",
    "described",
    "run_key",
    "run_of",
    "sweep_run",
]

ROLE_TAG, ID_TAG, REPORTS_TAG = "sweep.role", "sweep.id", "sweep.reports"
SWEEP_ROLE, TRIAL_ROLE = "sweep", "trial"
ROLES = (SWEEP_ROLE, TRIAL_ROLE, *(role.value for role in Role))
TRANSIENT_TAGS = ("sweep.outcome", "sweep.reason")  # deleted when an interrupted trial resumes
SPEC_TAGS = "spec."  # how the tags of the spec begin; deleted where a resumed sweep has taken the field out

NOTE_TAG = "mlflow.note.content"
_NOTE_HEAD = "**Verdict.**"  # by which a description of ours is told from one that a person wrote

_TRIAL_STATUS = {
    None: "RUNNING",
    Outcome.COMPLETED: "FINISHED",
    Outcome.PRUNED: "FINISHED",
    Outcome.DIVERGED: "FAILED",
    Outcome.FAILED: "FAILED",
    Outcome.INTERRUPTED: "KILLED",
}
_SWEEP_STATUS = {
    SweepState.RUNNING: "RUNNING",
    SweepState.FINISHED: "FINISHED",
    SweepState.INTERRUPTED: "KILLED",
    SweepState.FAILED: "FAILED",
}
_CONSTANT = ("trial", "protocol")  # parameters of a run can never change; the ledger keeps these blocks from changing
_VARIABLE = ("compare", "exclude", "budget", "pruning", "resources")
_LONGEST = 5000  # characters of a tag or parameter; MLflow takes 6000
_LONGEST_NAME = 250  # characters of a run's name, of which Postgres refuses more


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRun:
    """A run as it should be, without its metrics.

    name: as shown in MLflow's list of runs.
    status: the MLflow status, e.g. `RUNNING`.
    started, ended: milliseconds since the epoch; ended is None while it runs.
    tags, params: values by name.
    texts: contents of artifacts by file name.
    """

    name: str
    status: str
    started: int
    ended: int | None
    tags: Mapping[str, str]
    params: Mapping[str, str]
    texts: Mapping[str, str] = field(default_factory=dict)


def run_key(tags: Mapping[str, str]) -> tuple[str, str | None]:
    """The role of a run by its tags, and the key of its trial or confirmation; None as key for the sweep's own run."""
    role, cell = tags.get(ROLE_TAG, ""), tags.get("sweep.cell")
    if role == TRIAL_ROLE:
        return role, f"{cell}#{tags.get('sweep.trial')}"
    return role, f"{cell}#{role}-{tags.get('sweep.confirmation')}" if role in set(Role) else None


def sweep_run(sweep: SweepRecord, ended_trials: int) -> WantedRun:
    """The parent run of a sweep of which so many trials have ended."""
    source = {"mlflow.source.name": "python -m sweep run", "mlflow.source.type": "LOCAL"}
    commit = {"mlflow.source.git.commit": sweep.provenance["git_commit"]} if "git_commit" in sweep.provenance else {}
    changeable = {f"{SPEC_TAGS}{key}": value for key, value in _flat(sweep.spec, _VARIABLE)}
    tags = {
        ROLE_TAG: SWEEP_ROLE,
        "sweep.name": sweep.name,
        ID_TAG: sweep.id,
        **sweep.provenance,
        **source,
        **commit,
        **changeable,
    }
    ended = None if sweep.state is SweepState.RUNNING else milliseconds(sweep.ended or sweep.created)
    return WantedRun(
        name=sweep.name,
        status=_SWEEP_STATUS[sweep.state],
        started=milliseconds(sweep.created),
        ended=ended,
        tags=_short({**tags, **_evaluations_tag(ended_trials)}),
        params=_short(dict(_flat(sweep.spec, _CONSTANT))),
        texts={"spec.yaml": redacted(yaml.safe_dump(dict(sweep.spec), sort_keys=False, allow_unicode=True))},
    )


def described(run: WantedRun, verdict: str, purpose: str, known: str) -> WantedRun:
    """The sweep's run with a description: its verdict, and what the sweep is for.

    known: the description that it has; one that a person wrote is left alone.
    """
    if not verdict or (known and not known.startswith(_NOTE_HEAD)):
        return run
    note = "\n\n".join([_NOTE_HEAD, verdict, *([f"**Purpose.** {purpose}"] if purpose else [])])
    return replace(run, tags=_short({**run.tags, NOTE_TAG: note}))


def run_of(record: TrialRecord | ConfirmationRecord, sweep: SweepRecord, parent: str) -> WantedRun:
    """The run of a trial or a confirmation, nested under the run `parent`."""
    wanted = _trial_run(record) if isinstance(record, TrialRecord) else _confirmation_run(record, sweep)
    tags = {"mlflow.parentRunId": parent, "sweep.name": sweep.name, ID_TAG: sweep.id, "sweep.cell": record.cell}
    if record.outcome is not None:
        tags["sweep.outcome"] = record.outcome.value
    if record.reason:
        tags["sweep.reason"] = redacted(record.reason)
    if record.discarded:
        tags["sweep.lost_seconds"] = f"{sum(work.seconds for work in record.discarded):.1f}"
    if record.trained_on:
        tags["sweep.trained_on"] = "; ".join(sorted(record.trained_on))
    if record.trained_with:
        tags["sweep.trained_with"] = "; ".join(sorted(record.trained_with))
    return replace(wanted, tags=_short({**tags, **wanted.tags, **_evaluations_tag(num_evaluations(record))}))


def _arm(record: TrialRecord | ConfirmationRecord) -> str:
    """The method and the cell's values of other axes, first in a name, which MLflow's page cuts at the end."""
    method = record.config.method
    return " ".join(filter(None, (method, record.cell.partition(f"/{method}/")[2])))


def _trial_run(record: TrialRecord) -> WantedRun:
    return WantedRun(
        name=f"{_arm(record)} #{record.number} of {record.cell}"[:_LONGEST_NAME],
        status=_TRIAL_STATUS[record.outcome],
        started=milliseconds(record.started),
        ended=None if record.outcome is None else milliseconds(record.ended or record.started),
        tags={
            ROLE_TAG: TRIAL_ROLE,
            "sweep.trial": str(record.number),
            "sweep.attempts": str(record.attempts),
            **({"sweep.origin": record.origin} if record.origin else {}),
        },
        params=_params(record.config),
        texts=_failure(record.detail if record.outcome is Outcome.FAILED else ""),
    )


def _confirmation_run(record: ConfirmationRecord, sweep: SweepRecord) -> WantedRun:
    return WantedRun(
        name=f"{record.role}: {_arm(record)} #{record.trial} of {record.cell}"[:_LONGEST_NAME],
        status=_TRIAL_STATUS[record.outcome],
        started=milliseconds(record.started),
        ended=None if record.outcome is None else milliseconds(record.ended or record.started),
        tags={
            ROLE_TAG: record.role.value,
            "sweep.trial": str(record.trial),
            "sweep.confirmation": str(record.number),
            "sweep.attempts": str(sum(record.attempts.values())),
        },
        params=_params(record.config),
        texts={**_failure("\n\n".join(_failed_replicates(record))), **_predictions(record, sweep)},
    )


def _predictions(record: ConfirmationRecord, sweep: SweepRecord) -> Mapping[str, str]:
    """What was predicted for each test row on each draw, and how surely, once all draws have ended."""
    data = sweep.data.get(record.config.dataset.name)
    if record.outcome is None or data is None or data.labels is None:
        return {}
    found = [each.evaluation for each in record.replicates]
    found.sort(key=lambda each: (each.draw, each.initialisation))
    draws = {
        "predictions.json": [_drawn(each, _classes(each.predicted)) for each in found if each.predicted],
        "confidences.json": [_drawn(each, _confidences(each.confidences)) for each in found if each.confidences],
    }
    content = {"classes": data.class_names, "labels": data.labels.judged.tolist()}
    return {
        name: json.dumps({**content, "draws": each}, ensure_ascii=False, separators=(",", ":"))
        for name, each in draws.items()
        if each
    }


def _drawn(found: Evaluation, values: Mapping[str, Any]) -> dict[str, Any]:
    rows = {"rows": found.tested} if found.tested else {}
    return {"draw": found.draw, "initialisation": found.initialisation, **rows, **values}


def _confidences(kept: Confidences) -> dict[str, Any]:
    values = {name: np.round(values_N, 4).tolist() for name, values_N in kept.values().items()}
    return {"temperature": kept.temperature, **values}


def _classes(predicted: PredictedClasses) -> dict[str, list[int]]:
    return {rule: classes_N.tolist() for rule, classes_N in predicted.by_rule().items()}


def _failed_replicates(record: ConfirmationRecord) -> Iterator[str]:
    """For each replicate that failed: its draw and initialisation, the reason, and the traceback."""
    for evaluation in (replicate.evaluation for replicate in record.replicates):
        if evaluation.outcome is Outcome.FAILED:
            title = f"draw {evaluation.draw}, initialisation {evaluation.initialisation}: {evaluation.reason}"
            yield f"{title}\n{evaluation.detail}".strip()


def _failure(text: str) -> Mapping[str, str]:
    return {"failure.txt": redacted(text)} if text else {}


def _evaluations_tag(number: int) -> Mapping[str, str]:
    return {REPORTS_TAG: str(number)} if number else {}


def _params(config: TrialConfig) -> Mapping[str, str]:
    return _short({key: str(value) for key, value in config.flat().items() if value is not None})


def _short(values: Mapping[str, str]) -> dict[str, str]:
    return {key: value[:_LONGEST] for key, value in values.items()}


def _flat(spec: Mapping[str, Any], blocks: Sequence[str]) -> Iterator[tuple[str, str]]:
    for block in blocks:
        if block in spec:
            yield from _leaves(block, spec[block])


def _leaves(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _leaves(f"{key}.{name}", part)
    elif isinstance(value, list | tuple) and not any(isinstance(item, Mapping | list | tuple) for item in value):
        yield key, ", ".join(map(str, value))
    elif value is not None:
        yield key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
