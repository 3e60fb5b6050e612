"""What must hold of MLflow when a sweep has ended: it shows what the ledger holds, once, and nothing as running."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sweep.records.confirmation import ConfirmationRecord
from sweep.records.results import SweepResults
from sweep.records.trial import TrialRecord
from sweep.tracking.metrics import Point, ended, num_evaluations, points, progress
from sweep.tracking.runs import ID_TAG, run_key
from sweep.tracking.store import open_client
from tests.faults.fault_run import FaultRun
from trainable.outcomes import Outcome

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

__all__ = ["check_mlflow", "mlflow_runs"]

_STATUS = {
    Outcome.COMPLETED: "FINISHED",
    Outcome.PRUNED: "FINISHED",
    Outcome.DIVERGED: "FAILED",
    Outcome.FAILED: "FAILED",
    Outcome.INTERRUPTED: "KILLED",
}


def check_mlflow(fault_run: FaultRun, results: SweepResults) -> Iterator[str]:
    """What is wrong, in words."""
    client = open_client(f"sqlite:///{fault_run.store}")
    if client.search_runs(["0"], run_view_type=3):
        yield "a run strayed into the Default experiment"
    runs = mlflow_runs(fault_run)
    yield from _of_deleted(fault_run, [run for run in runs if run.data.tags.get(ID_TAG) != results.sweep.id])
    found: dict[str | None, list[Run]] = {}
    for run in (run for run in runs if run.data.tags.get(ID_TAG) == results.sweep.id):
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


def mlflow_runs(fault_run: FaultRun) -> list[Run]:
    """All that MLflow shows of the run's sweep, whatever became of its ledger."""
    client = open_client(f"sqlite:///{fault_run.store}")
    experiment = client.get_experiment_by_name(fault_run.experiment)
    return [] if experiment is None else list(client.search_runs([experiment.experiment_id], max_results=1000))


def _of_deleted(fault_run: FaultRun, runs: Sequence[Run]) -> Iterator[str]:
    """What MLflow still shows of sweeps whose ledgers were deleted has ended, and is there once."""
    names = Counter((run.data.tags.get(ID_TAG), *run_key(run.data.tags)) for run in runs)
    yield from (f"MLflow has {count} runs of {name}, deleted" for name, count in names.items() if count > 1)
    for run in runs:
        if run.data.tags.get(ID_TAG) not in fault_run.deleted:
            yield f"the run {run.info.run_name} is of no sweep that was here"
        if run.info.status == "RUNNING":
            yield f"the run {run.info.run_name} of a sweep that was deleted is RUNNING"


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
    if tags.get("sweep.trained_with", "") != "; ".join(sorted(record.trained_with)):
        yield f"says that it was trained with {tags.get('sweep.trained_with')} instead of {record.trained_with}"
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
