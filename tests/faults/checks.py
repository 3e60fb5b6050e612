"""What must hold of a sweep that has ended, whatever struck it on its way."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.records.confirmation import ConfirmationRecord, Role
from sweep.records.results import SweepResults
from sweep.records.sweep import SweepState
from sweep.records.trial import TrialRecord
from sweep.tracking.metrics import Point, ended, num_evaluations, points, progress
from sweep.tracking.runs import run_key
from sweep.tracking.store import open_client
from tests.faults.fault_run import TRIALS, FaultRun
from tests.faults.requirements import Requirement
from tests.sweeps.results_table import Table, table, training
from trainable.outcomes import Outcome

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

__all__ = ["check"]

_CELLS = ("films/4/cross_entropy", "films/4/soft_triple")
_TESTED = 3  # trainings of a confirmation: two draws, one of them twice
_LEAVING = 100.0  # seconds for processes to be gone that end by themselves
_STATUS = {
    Outcome.COMPLETED: "FINISHED",
    Outcome.PRUNED: "FINISHED",
    Outcome.DIVERGED: "FAILED",
    Outcome.FAILED: "FAILED",
    Outcome.INTERRUPTED: "KILLED",
}


def check(fault_run: FaultRun, undisturbed: Table | None) -> Iterator[str]:
    """Everything that is wrong, in words. undisturbed: the table to be equal to, if the run's should be."""
    results = fault_run.results()
    if results is None:
        yield "there is no ledger"
        return
    yield from _trials(results)
    yield from _confirmations(results)
    for strike in fault_run.strikes:
        if strike.before is not None:
            yield from _kept(strike.before, results)
    if Requirement.POSTGRES not in fault_run.requirements:
        yield from _written_once(fault_run.directory.journal)
    yield from _projection(fault_run, results)
    if undisturbed is not None:
        yield from _differences(undisturbed, table(results))
    yield from _left_over(fault_run)


# ---- the ledger


def _trials(results: SweepResults) -> Iterator[str]:
    if results.sweep.state is not SweepState.FINISHED:
        yield f"the sweep is {results.sweep.state}"
    numbers = {cell: [record.number for record in results.trials if record.cell == cell] for cell in _CELLS}
    if any(sorted(found) != list(range(TRIALS)) for found in numbers.values()) or len(results.trials) != 2 * TRIALS:
        yield f"the trials of the cells are {numbers}"
    for record in results.trials:
        yield from (f"{record.key} {wrong}" for wrong in _wrong(record))


def _wrong(record: TrialRecord) -> Iterator[str]:
    if record.outcome in (None, Outcome.INTERRUPTED):
        yield f"was left {record.outcome or 'open'}"
    if record.outcome is Outcome.FAILED and "out of memory" not in record.reason:
        yield f"failed: {record.reason}"
    numbers, due = [each.number for each in record.evaluations], record.config.replicates * record.config.evaluations
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"has the reports {numbers}"
    if record.outcome is Outcome.COMPLETED and len(numbers) != due:
        yield f"completed with {len(numbers)} of {due} reports"
    for each in record.evaluations:
        if each.number != each.evaluation.replicate * record.config.evaluations + each.evaluation.point:
            yield f"{each.number} is point {each.evaluation.point} of replicate {each.evaluation.replicate}"


def _confirmations(results: SweepResults) -> Iterator[str]:
    winners = Counter(record.cell for record in results.confirmations if record.role is Role.CONFIRMATION)
    if winners != dict.fromkeys(_CELLS, 1):
        yield f"the confirmations of the cells are {dict(winners)}"
    finalists = Counter((record.cell, record.role, record.trial) for record in results.confirmations)
    yield from (f"{what} is there {count} times" for what, count in finalists.items() if count > 1)
    for record in results.confirmations:
        trainings = [training(each.evaluation) for each in record.replicates]
        due = _TESTED if record.role is Role.CONFIRMATION else 1
        if record.outcome is not Outcome.COMPLETED or len(set(trainings)) != len(trainings) or len(trainings) != due:
            yield f"{record.key} is {record.outcome or 'open'} with the trainings {trainings}"


def _kept(before: SweepResults, after: SweepResults) -> Iterator[str]:
    """A replicate that was on record is the same afterwards, its time included; so are the parameters of trials."""
    trials = {record.key: record for record in after.trials}
    for record in before.trials:
        now = trials.get(record.key)
        finished = [each for each in record.evaluations if each.evaluation.point == record.config.evaluations]
        if now is None or any(each not in now.evaluations for each in finished):
            yield f"{record.key} lost a finished replicate"
        elif record.params and now.params != record.params:
            yield f"{record.key} has other parameters than before: {record.params}, {now.params}"
    confirmations = {record.key: record for record in after.confirmations}
    for each in before.confirmations:
        later = confirmations.get(each.key)
        if later is None or later.replicates[: len(each.replicates)] != each.replicates:
            yield f"{each.key} lost a finished replicate"


def _written_once(journal: Path) -> Iterator[str]:
    """No replicate was finished twice."""
    logs = map(json.loads, journal.read_text(encoding="utf-8").splitlines())
    writes = [
        (log["trial_id"], name, value)
        for log in logs
        for name, value in log.get("user_attr", {}).items()
        if "trial_id" in log
    ]
    last = max((value["evaluation"] for _, name, value in writes if name.startswith("report/")), default=0)
    final = Counter(
        (trial, name)
        for trial, name, value in writes
        if name.startswith("replicate/") or (name.startswith("report/") and value["evaluation"] == last)
    )
    yield from (
        f"{name} of trial {trial} was written {count} times" for (trial, name), count in final.items() if count > 1
    )


# ---- MLflow


def _projection(fault_run: FaultRun, results: SweepResults) -> Iterator[str]:
    client = open_client(f"sqlite:///{fault_run.store}")
    if client.search_runs(["0"], run_view_type=3):
        yield "a run strayed into the Default experiment"
    experiment = client.get_experiment_by_name(fault_run.experiment)
    if experiment is None:
        yield "MLflow does not have the experiment"
        return
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    found: dict[str | None, list[Run]] = {}
    for run in runs:
        found.setdefault(run_key(run.data.tags)[1], []).append(run)
    yield from (f"MLflow has {len(each)} runs of {key or 'the sweep'}" for key, each in found.items() if len(each) > 1)
    all_records: list[TrialRecord | ConfirmationRecord] = [*results.trials, *results.confirmations]
    records = {each.key: each for each in all_records}
    if set(found) != {None, *records}:
        yield f"MLflow has runs of {sorted(map(str, found))} instead of {sorted(records)} and the sweep"
        return
    (parent, *_) = found[None]
    yield from _parent_run(client, parent, results)
    for key, record in records.items():
        yield from (f"the run of {key} {wrong}" for wrong in _run(client, found[key][0], record, parent))


def _parent_run(client: MlflowClient, run: Run, results: SweepResults) -> Iterator[str]:
    if run.info.status != "FINISHED":
        yield f"the sweep's run is {run.info.status}"
    yield from (f"the sweep's run {wrong}" for wrong in _history(client, run, progress(ended(results.trials), after=0)))


def _run(client: MlflowClient, run: Run, record: TrialRecord | ConfirmationRecord, parent: Run) -> Iterator[str]:
    outcome, tags = record.outcome, run.data.tags
    if outcome is None or run.info.status != _STATUS[outcome] or tags.get("sweep.outcome") != outcome:
        yield f"is {run.info.status} with the outcome {tags.get('sweep.outcome')}, the record is {outcome}"
    if int(tags.get("sweep.reports", 0)) != num_evaluations(record):
        yield f"has sweep.reports {tags.get('sweep.reports')} of {num_evaluations(record)}"
    if tags.get("mlflow.parentRunId") != parent.info.run_id:
        yield "is not nested under the sweep's"
    yield from _history(client, run, points(record, after=0))


def _history(client: MlflowClient, run: Run, wanted: Sequence[Point]) -> Iterator[str]:
    """Each metric has exactly the points that follow from the ledger."""
    for name in sorted({point.name for point in wanted}):
        due = sorted((point.step, point.value, point.time) for point in wanted if point.name == name)
        there = [(each.step, each.value, each.timestamp) for each in client.get_metric_history(run.info.run_id, name)]
        if sorted(there) != due:
            yield f"has the points {sorted(there)} of {name} instead of {due}"


# ---- the table, and what is left of the processes


def _differences(undisturbed: Table, disturbed: Table) -> Iterator[str]:
    for key in sorted({*undisturbed, *disturbed}):
        ours, theirs = disturbed.get(key, {}), undisturbed.get(key, {})
        different = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
        yield from (f"{name} of {key} is {ours.get(name)}, undisturbed {theirs.get(name)}" for name in different)


def _left_over(fault_run: FaultRun) -> Iterator[str]:
    deadline = time.monotonic() + _LEAVING
    while left := [each for session in fault_run.sessions for each in session.members()] or fault_run.workers:
        if time.monotonic() > deadline:
            yield f"processes are left: {left}"
            return
        time.sleep(0.2)
