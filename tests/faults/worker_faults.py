"""Faults of workers, and of what happens in them. See tests.faults.faults."""

from __future__ import annotations

import fcntl
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import BinaryIO

import psutil  # type: ignore[import-untyped]

from tests.faults.fault_run import DUE_WITHIN, FaultRun
from tests.faults.fault_spec import STALL_MINUTES
from trainable.outcomes import Outcome

__all__ = ["exhaust_memory", "hang_loader", "kill_worker", "meet_nan", "stop_worker", "stop_worker_for_good"]

_STALLED = f"no evaluation within {STALL_MINUTES:g} minutes"
_KILLED = 5 * 60 * STALL_MINUTES  # seconds within which a worker that is stopped must have been killed
_LEASE = 45.0  # seconds after which the kernel lets others open a file all the same


def kill_worker(run: FaultRun, rng: Random) -> None:
    if worker := _worker(run):
        run.strike()
        with suppress(psutil.NoSuchProcess):
            worker.kill()


def stop_worker(run: FaultRun, rng: Random) -> None:
    """For longer than the time limit of a step, as a machine does that is suspended. When it continues, what it was
    doing is interrupted, and done again by another one."""
    worker = _worker(run)
    if worker is None:
        return
    known, progress = _stalls(run), run.progress
    run.strike()
    with suppress(psutil.NoSuchProcess):
        worker.suspend()
        run.sleep(60 * STALL_MINUTES + rng.uniform(1.0, 5.0))
        worker.resume()
    noticed = run.wait(lambda: _stalls(run) > known or run.progress > progress, DUE_WITHIN)
    run.expect(noticed or not run.running, "nobody has noticed that the worker was stopped")


def stop_worker_for_good(run: FaultRun, rng: Random) -> None:
    """In the midst of a step or between two of them: its own time limit cannot end it then."""
    worker = _worker(run)
    if worker is None:
        return
    run.strike()
    with suppress(psutil.NoSuchProcess):
        worker.suspend()
    gone = run.wait(lambda: not worker.is_running(), _KILLED)
    run.expect(gone or not run.running, "the worker that was stopped is still there")


def exhaust_memory(run: FaultRun, rng: Random) -> None:
    """The worker gets no memory for tensors until a trial has failed of it."""
    worker = _worker(run)
    if worker is None:
        return
    failed = _ended(run, Outcome.FAILED)
    run.switch(refused=worker.pid)
    if run.wait(lambda: not worker.is_running() or _ended(run, Outcome.FAILED) > failed, DUE_WITHIN):
        run.strike()
    run.switch()


def meet_nan(run: FaultRun, rng: Random) -> None:
    """Wait for one of the trials whose encoder has a NaN."""
    diverged = _ended(run, Outcome.DIVERGED)
    if run.wait(lambda: _ended(run, Outcome.DIVERGED) > diverged, DUE_WITHIN):
        run.strike()


def hang_loader(run: FaultRun, rng: Random) -> None:
    """A new worker cannot open a file of its encoder, as on a network drive that hangs, until it is interrupted."""
    if not run.begun():
        return
    for worker in run.workers:
        with suppress(psutil.NoSuchProcess):
            worker.kill()
    known, began, progress = _stalls(run), time.monotonic(), run.progress
    with _unopenable(run.encoder / "config.json"):
        told = run.wait(lambda: _stalls(run) > known, DUE_WITHIN + _LEASE)
    if told:
        run.strike()
        run.strikes[-1].time, run.strikes[-1].progress = began, progress
        log = run.directory.log.read_text(encoding="utf-8")
        run.expect("load_encoder" in log, "the stack of the hanging loader is not in the log")


def _worker(run: FaultRun) -> psutil.Process | None:
    """The process that trains, waiting for it if the driver is just starting one."""
    run.wait(lambda: bool(run.workers), DUE_WITHIN)
    return next(iter(run.workers), None)


def _ended(run: FaultRun, outcome: Outcome) -> int:
    results = run.results()
    return 0 if results is None else sum(record.outcome is outcome for record in results.trials)


def _stalls(run: FaultRun) -> int:
    """How many steps the log says to have been interrupted; a folder that was deleted has no log for a moment."""
    log = run.directory.log
    return log.read_text(encoding="utf-8").count(_STALLED) if log.exists() else 0


@contextmanager
def _unopenable(path: Path) -> Iterator[None]:
    """Whoever opens the file meanwhile waits: we have a write lease on it. It must be open nowhere."""
    with path.open("r+b") as file:
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)  # of an opener we are told by a signal that does nothing
        deadline = time.monotonic() + 10.0
        while not _leased(file):
            assert time.monotonic() < deadline, f"{path} stays open"
            time.sleep(0.01)
        yield


def _leased(file: BinaryIO) -> bool:
    try:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except BlockingIOError:
        return False
    return True
