"""Sweeps that are already on disk, found by name or by folder, without their original spec file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from sweep.errors import LedgerError
from sweep.ledger.directory import SweepDirectory
from sweep.ledger.ledger import Ledger
from sweep.ledger.storage import exclusive
from sweep.run import open_ledger
from sweep.scheduling.stop_requests import Stop, request_stop
from sweep.spec.model import SweepSpec
from sweep.tracking import sync, tracking_uri
from trainable.reports import Outcome

if TYPE_CHECKING:
    from sweep.report import ReportFiles

__all__ = ["find_stored", "read_stored", "report_stored", "stop_stored", "sync_stored"]


def read_stored(name: str, root: Path) -> tuple[SweepSpec, Ledger]:
    """The resolved spec and the ledger of a stored sweep, to look at.

    Raises LedgerError if there is none, naming those that there are.
    """
    directory, spec = find_stored(name, root)
    ledger = open_ledger(spec, directory, write=False)
    ledger.read()
    return spec, ledger


def sync_stored(name: str, root: Path) -> str:
    """Push to MLflow what it lacks of a stored sweep; what was done, in a sentence."""
    directory, spec = find_stored(name, root)
    with directory.locked(), exclusive(spec.ledger or directory.journal, spec.name):
        ledger = open_ledger(spec, directory, write=True)
        ledger.read()
        _close(ledger)
        uri = tracking_uri(spec.tracking.uri)
        files = [directory.report] if directory.report.is_dir() else []
        projection = sync(ledger, experiment=spec.tracking.experiment, uri=uri, files=files)
    return f"{spec.name}: {projection}"


def report_stored(name: str, root: Path, out: Path | None) -> ReportFiles:
    """Write the report of a stored sweep from its ledger, into its folder or `out`."""
    from sweep.report import write_report

    directory, spec = find_stored(name, root)
    ledger = open_ledger(spec, directory, write=False)
    ledger.read()
    return write_report(ledger.results(), out or directory.report)


def stop_stored(name: str, root: Path, wanted: Stop, *, told: Callable[[str], None]) -> str:
    """Ask the driver of a stored sweep to stop and wait for it; how the sweep has ended, in a sentence."""
    directory, spec = find_stored(name, root)
    request_stop(directory, wanted, told=told)
    _, ledger = read_stored(name, root)
    ended = sum(each.outcome not in (None, Outcome.INTERRUPTED) for each in ledger.trials())
    return f"{spec.name}: {ledger.sweep().state}, {ended} trials have ended; the command that began it goes on with it"


def _close(ledger: Ledger) -> None:
    """Mark what a dead driver left open. Holding the sweep's lock proves that no driver is alive."""
    for record in ledger.trials():
        if record.outcome is None:
            ledger.finish(record.key, Outcome.INTERRUPTED, "the driver died")
    for confirmation in ledger.confirmations():
        if confirmation.outcome is None:
            ledger.finish_confirmation(confirmation.key, Outcome.INTERRUPTED, "the driver died")
    if ledger.sweep().state == "running":
        ledger.end("interrupted")


def find_stored(name: str, root: Path) -> tuple[SweepDirectory, SweepSpec]:
    """The folder and the resolved spec of a stored sweep. Raises LedgerError if there is none."""
    for path in (Path(name), root / name):
        directory = SweepDirectory(path)
        if directory.spec.is_file():
            return directory, _read_spec(directory)
    known = sorted(path.parent.name for path in root.glob("*/spec.yaml")) if root.is_dir() else []
    raise LedgerError(
        f"a sweep is found by its name or its folder; there is none at {name!r}; "
        + (f"{root} holds {', '.join(known)}" if known else f"{root} holds none; `python -m sweep run` begins one")
    )


def _read_spec(directory: SweepDirectory) -> SweepSpec:
    try:
        return SweepSpec.model_validate(yaml.safe_load(directory.spec.read_text(encoding="utf-8")))
    except (OSError, ValueError, yaml.YAMLError) as error:
        first = str(error).strip().splitlines()[0]
        raise LedgerError(
            f"the resolved spec of a sweep must be readable; {directory.spec} is not: {first}; `python -m sweep run` "
            f"with the "
            "sweep's own spec writes it anew"
        ) from error
