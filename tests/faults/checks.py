"""What must hold of a sweep that has ended, whatever struck it on its way."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sweep.records.confirmation import Role
from sweep.records.results import SweepResults
from sweep.records.sweep import SweepState
from sweep.records.trial import TrialRecord
from tests.faults.fault_run import FaultRun
from tests.faults.fault_spec import TRIALS
from tests.faults.mlflow_checks import check_mlflow
from tests.faults.requirements import Requirement
from tests.faults.version_checks import check_versions
from tests.sweeps.results_table import Table, table, training
from trainable.outcomes import Outcome

__all__ = ["check"]

_CELLS = ("films/4/cross_entropy", "films/4/soft_triple")
_TESTED = 3  # trainings of a confirmation: two draws, one of them twice
_LEAVING = 100.0  # seconds for processes to be gone that end by themselves


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
    yield from check_versions(fault_run, results)
    yield from check_mlflow(fault_run, results)
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
