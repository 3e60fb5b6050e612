"""Faults of the ledger's file: torn, with a hole, or deleted. See tests.faults.faults."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

from tests.faults.fault_run import DUE_WITHIN, FaultRun
from tests.faults.mlflow_checks import mlflow_runs
from tests.faults.refusals import refused, whole_records

__all__ = ["delete_folder", "delete_ledger", "lose_line", "tear_journal"]

_NOTICED = 120.0  # seconds within which a driver must have noticed that its ledger is gone, and ended
_GONE = "ledger.journal is gone: it was deleted or moved while it was in use"


def tear_journal(run: FaultRun, rng: Random) -> None:
    """A power cut in the middle of an append: its record is there in part. A report that was on record before stays on
    record, since MLflow may show it already; of any other record, the part is what is left."""
    if not run.begun():
        return
    run.kill()
    whole = whole_records(run)
    last = whole.splitlines(keepends=True)[-1]
    kept = whole if b'{"report/' in last or b'{"replicate/' in last else whole[: -len(last)]
    run.directory.journal.write_bytes(kept + last[: rng.randrange(1, len(last))])
    run.strike()


def lose_line(run: FaultRun, rng: Random) -> None:
    """Any line but the last is lost, as a file system or an editor loses one: refused until it is back."""
    if not run.begun():
        return
    run.kill()
    whole = whole_records(run)
    lines = whole.splitlines(keepends=True)
    lost = rng.randrange(len(lines) - 1)
    run.directory.journal.write_bytes(b"".join([*lines[:lost], *lines[lost + 1 :]]))
    hole = f"line {lost + 1} holds record {lost + 2}, so lines before it are lost"
    refused(run, hole, "restore it from a copy")
    run.directory.journal.write_bytes(whole)
    run.strike()


def delete_ledger(run: FaultRun, rng: Random) -> None:
    _delete(run, run.directory.journal)


def delete_folder(run: FaultRun, rng: Random) -> None:
    _delete(run, run.directory.path)


def _delete(run: FaultRun, place: Path) -> None:
    """The driver ends in words, and so do its runs in MLflow. The same command then begins anew, so nothing of what was
    on record is to be found again."""
    if not run.begun() or not run.wait(lambda: bool(run.workers), DUE_WITHIN) or not run.running:
        return
    shown = _statuses(run)
    run.strike()
    run.forget()
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    run.wait(lambda: not run.running, _NOTICED)
    run.expect(not run.running, f"the driver continues without its ledger: {run.driver.said[-2000:]}")
    if run.running:
        run.driver.kill()
    elif run.code == 0:  # it had just written its last record
        run.start()
    else:
        said = run.driver.said
        run.expect(_GONE in said and "nothing that was recorded is lost" not in said, f"it does not say so: {said}")
        _check_ended(run, shown)
    run.strikes[-1].progress = run.progress


def _check_ended(run: FaultRun, shown: dict[str, str]) -> None:
    """No run of MLflow is left running, and those that had ended by themselves are as they were."""
    now = _statuses(run)
    running = [name for name, status in now.items() if status == "RUNNING"]
    run.expect(not running, f"MLflow shows as running what has ended: {running}")
    final = {name: status for name, status in shown.items() if status in ("FINISHED", "FAILED")}
    altered = {name: now.get(name) for name, status in final.items() if now.get(name) != status}
    run.expect(not altered, f"runs that had ended are now {altered}")


def _statuses(run: FaultRun) -> dict[str, str]:
    """Of all runs in MLflow, by id."""
    return {each.info.run_id: each.info.status for each in mlflow_runs(run)}
