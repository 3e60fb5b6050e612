"""What can be done with a sweep that has begun, without its original spec file: sync, report, stop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.errors import FolderError
from sweep.ledger.directory import SweepDirectory
from sweep.ledger.ledger import Ledger
from sweep.ledger.storage import exclusive
from sweep.ledger.stored import find_stored, ledger_place, open_ledger, read_stored
from sweep.records.sweep import SweepState
from sweep.scheduling.stop_requests import Stop, request_stop
from sweep.tracking import sync, tracking_uri
from sweep.verdict import summary, verdict
from trainable.outcomes import Outcome

if TYPE_CHECKING:
    from sweep.report import ReportFiles

__all__ = ["is_abandoned", "report_stored", "stop_stored", "sync_stored"]


def sync_stored(name: str, root: Path) -> str:
    """Push to MLflow what it lacks of a stored sweep; what was done, in a sentence."""
    directory, spec = find_stored(name, root)
    with directory.locked(), exclusive(ledger_place(spec, directory), spec.name):
        ledger = open_ledger(spec, directory, write=True)
        ledger.read()
        _close(ledger)
        uri = tracking_uri(spec.tracking.uri)
        files = [folder for folder in (directory.report, directory.explanations) if folder.is_dir()]
        found = summary(verdict(ledger.results())) if ledger.sweep().state is SweepState.FINISHED else ""
        projection = sync(ledger, experiment=spec.tracking.experiment, uri=uri, files=files, verdict=found)
    return f"{spec.name}: {projection}"


def is_abandoned(ledger: Ledger, directory: SweepDirectory) -> bool:
    """Whether a sweep is on record as running though no driver holds its folder, as after one that was killed."""
    try:
        if ledger.sweep().state is not SweepState.RUNNING or directory.driver() is not None:
            return False
    except FolderError:  # of somebody else, where no lock can be looked at
        return False
    return ledger.sweep().state is SweepState.RUNNING  # once more: a driver may just have ended it and gone


def report_stored(name: str, root: Path, out: Path | None) -> ReportFiles:
    """Write the report of a stored sweep from its ledger, into its folder or `out`."""
    from sweep.report import write_report

    directory, spec = find_stored(name, root)
    ledger = open_ledger(spec, directory, write=False)
    ledger.read()
    return write_report(ledger.results(), out or directory.report, kept=directory.kept())


def stop_stored(name: str, root: Path, wanted: Stop, *, told: Callable[[str], None]) -> str:
    """Ask the driver of a stored sweep to stop and wait for it; how the sweep has ended, in a sentence."""
    directory, spec = find_stored(name, root)
    request_stop(directory, wanted, told=told)
    _, ledger = read_stored(name, root)
    ended = sum(each.is_over for each in ledger.trials())
    have = "1 trial has" if ended == 1 else f"{ended} trials have"
    return f"{spec.name}: {ledger.sweep().state}, {have} ended; the command that began it resumes it"


def _close(ledger: Ledger) -> None:
    """Mark what a dead driver left open. Holding the sweep's lock proves that no driver is alive."""
    reason = "the driver died"
    for record in ledger.trials():
        if record.outcome is None:
            last = record.evaluations[-1].evaluation if record.evaluations else None
            if record.lost_seconds and last is not None and last.outcome is None:
                ledger.record_discarded(record.key, record.lost_seconds, reason)
            ledger.finish(record.key, Outcome.INTERRUPTED, reason)
    for confirmation in ledger.confirmations():
        if confirmation.outcome is None:
            ledger.finish_confirmation(confirmation.key, Outcome.INTERRUPTED, reason)
    if ledger.sweep().state is SweepState.RUNNING:
        ledger.end(SweepState.INTERRUPTED)
