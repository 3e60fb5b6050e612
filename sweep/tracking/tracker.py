"""The background thread that keeps MLflow up to date while a sweep runs; its errors never stop the sweep."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self, TypeVar

from sweep.errors import LedgerError, TrackingError
from sweep.tracking.artifacts import artifact_files
from sweep.tracking.projector import Ledger, Projector, Record, records_with_runs
from sweep.tracking.store import explain, is_refusal

__all__ = ["Projection", "Tracker", "sync"]

_T = TypeVar("_T")

logger = logging.getLogger(__name__)

_PERIOD = 1.0  # seconds between two checks for changes
_UPDATE_PERIOD = 10.0  # seconds between two updates of the sweep or of a running trial; an ended trial is due at once
_LONGEST_PAUSE = 30.0  # seconds between two attempts in a long outage
_LAST_PAUSES = (0.0, 1.0, 2.0)  # seconds before each of the last attempts
_LONGEST_START = 20.0  # seconds that `close` waits for a start in another thread
_NAMED = 3  # how many of the missing runs a message names


@dataclass(frozen=True, slots=True)
class Projection:
    """The state of a sweep's copy in MLflow.

    pushed: number of trials and confirmations whose runs are up to date.
    missing: number of those whose runs are missing or incomplete.
    left: the names of the latter, and of the sweep's own run if that is not up to date.
    problem: why some are left; empty if there is no problem.
    page: the address of the sweep's run below that of MLflow's pages; empty if it is not known.
    """

    pushed: int
    missing: int
    left: tuple[str, ...] = ()
    problem: str = ""
    page: str = field(default="", compare=False)

    def __str__(self) -> str:
        total = self.pushed + self.missing
        whole = f"all {total} runs are in MLflow" if total else "no trial has a run in MLflow yet"
        text = f"{self.pushed} of {total} runs are in MLflow" if self.missing else whole
        if self.left:
            more = len(self.left) - _NAMED
            text += f"; left: {', '.join(self.left[:_NAMED])}" + (f" and {more} more" if more > 0 else "")
        return f"{text} ({self.problem})" if self.problem else text


class Tracker:
    """Pushes a ledger to MLflow from a daemon thread. Use as a context manager, or call `start` and `close`.

    ledger: the record that is pushed.
    experiment: name of the MLflow experiment.
    uri: address of the MLflow store.
    required: True if `start` must refuse a store that cannot be used; else the tracker retries while the sweep runs.
    """

    def __init__(self, ledger: Ledger, *, experiment: str, uri: str, required: bool) -> None:
        self.problem = ""
        self._ledger = ledger
        self._uri = uri
        self._required = required
        self._projector = Projector(ledger, experiment=experiment, uri=uri)
        self._notified: SimpleQueue[str] = SimpleQueue()
        self._paths: SimpleQueue[Path] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()  # held while it starts
        self._closing = threading.Event()
        self._deadline = math.inf
        # The attributes below are used by the thread only.
        self._connected = False
        self._ever_failed = False
        self._ledger_lost = False  # True if the ledger could not be read at the last error
        self._complete = False  # True if the last attempt pushed everything
        self._changed: dict[str, None] = {}  # keys of the records that may have changed, oldest first
        self._artifacts: dict[Path, None] = {}
        self._updated: dict[str | None, float] = {}  # when a trial, or for None the sweep, was last pushed

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close(timeout=60)

    def start(self) -> None:
        """Open the store and start the thread. May be called from another thread than `close` is, which waits for it.

        If the store is required, this waits for its first answers, at most ten seconds for each, and raises
        TrackingError if it cannot be used.
        """
        with self._starting:
            try:
                self._projector.open()  # here, since no other thread may import large libraries while this one does
                if self._required:
                    self._connect()
            except Exception as error:
                self._failed(error)
                if self._required:
                    raise TrackingError(self.problem) from error
            self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
            self._thread.start()

    def notify(self, key: str) -> None:
        """Mark a trial or confirmation as changed, to be pushed soon. Returns at once and never raises."""
        self._notified.put(key)

    def log_artifact(self, path: Path) -> None:
        """Store a file or folder with the sweep's run, at the latest in `close`, and again when it changes.

        Returns at once.
        """
        self._paths.put(path)

    def describe(self, verdict: str) -> None:
        """Show a verdict as the description of the sweep's run, at the latest in `close`. Returns at once."""
        self._projector.describe(verdict)

    def close(self, timeout: float) -> Projection:
        """Compare all records with the store, push what is missing, for at most `timeout` seconds, and end the thread.

        A store that was out of reach is tried once more, one that has answered up to three times. The next run of the
        sweep, or `sync`, pushes what is still missing. Returns how much is in MLflow.
        """
        self._deadline = time.monotonic() + timeout
        self._closing.set()
        if self._starting.acquire(timeout=min(timeout, _LONGEST_START)):
            self._starting.release()
        if self._thread is not None:
            self._thread.join(None if timeout == math.inf else timeout)
        missing = self._projector.missing()
        left = (*missing, *(() if self._complete else ("the sweep's own run",)))
        late = (
            f"there was no time for more within {timeout:g} s"
            if self._thread
            else "the sweep ended before MLflow was reached"
        )
        problem = self.problem or (late if left else "")
        pushed = len(records_with_runs(self._ledger)) - len(missing)
        projection = Projection(pushed, len(missing), left, problem, self._projector.page)
        if left:
            logger.warning("%s; the next run of the sweep, or `python -m sweep sync NAME`, pushes the rest", projection)
        return projection

    def _work(self) -> None:
        pause = _PERIOD
        while not self._closing.wait(pause):
            pause = _PERIOD if self._attempt(last=False) else min(2 * pause, _LONGEST_PAUSE)
        # A few seconds rarely end an outage, but the error of a store that has just answered may be transient.
        for pause in _LAST_PAUSES[:1] if self.problem else _LAST_PAUSES:
            time.sleep(max(0.0, min(pause, self._deadline - time.monotonic())))
            if self._must_stop(last=True) or self._attempt(last=True):
                return
        if self._ledger_lost:
            self._end_runs()

    def _attempt(self, *, last: bool) -> bool:
        """Push what is due; True if that succeeded. No error of MLflow, nor of the ledger, may end the thread.

        The last time, everything is compared anew: a server may have been restarted with an older database since the
        last request, and a ledger may have been deleted.
        """
        try:
            if last:
                self._ledger.check_kept()
            if last or not self._connected:
                self._connect()
            self._complete = self._reconcile(last=last) and last
            if self._complete and self._ever_failed:
                self._projector.adopt()  # a run whose creation was answered late may be there twice
        except Exception as error:
            self._failed(error)
            return False
        if self.problem:
            logger.info("MLflow is up to date again")
        self.problem = ""
        return True

    def _end_runs(self) -> None:
        """End the runs whose records cannot be read any more: nothing runs, and nobody else would end them."""
        try:
            self._projector.end_runs()
        except Exception as error:
            self._failed(error)

    def _connect(self) -> None:
        self._projector.connect()
        self._connected = True
        for key in self._projector.missing():
            self._changed.setdefault(key)

    def _failed(self, error: Exception) -> None:
        self._connected, self._ever_failed = False, True
        self._ledger_lost = isinstance(error, LedgerError)
        problem = explain(error, self._uri)
        if problem != self.problem:
            logger.warning("%s", problem)
        self.problem = problem

    def _reconcile(self, *, last: bool) -> bool:
        """Push every record that is due, then the sweep; True if there was time for all of them.

        A record that the store refuses is tried again after all others.
        """
        self._drain_queues()
        refusals: list[Exception] = []
        records = records_with_runs(self._ledger)
        for key in self._due(records, last=last):
            if self._must_stop(last=last):
                return False
            del self._changed[key]
            try:
                self._projector.push(records[key])
            except Exception as error:
                self._changed[key] = None
                if not is_refusal(error):
                    raise
                refusals.append(error)
            self._updated[key] = time.monotonic()
        done = self._push_sweep(last=last) if last or self._is_due(None) else True
        if refusals:
            raise refusals[0]
        return done

    def _push_sweep(self, *, last: bool) -> bool:
        if self._must_stop(last=last):
            return False
        self._updated[None] = time.monotonic()
        self._projector.push_sweep()
        for name, path in (file for artifact in self._artifacts for file in artifact_files(artifact)):
            if self._must_stop(last=last):
                return False
            self._projector.upload(name, path)
        return True

    def _must_stop(self, *, last: bool) -> bool:
        """True if time is up, or if the last attempt, which pushes everything, should begin."""
        return time.monotonic() > self._deadline or (self._closing.is_set() and not last)

    def _drain_queues(self) -> None:
        for key in _drained(self._notified):
            self._changed.setdefault(key)
        for path in _drained(self._paths):
            self._artifacts.setdefault(path)

    def _due(self, records: Mapping[str, Record], *, last: bool) -> list[str]:
        return [
            key
            for key in self._changed
            if key in records and (last or self._is_due(key) or records[key].outcome is not None)
        ]

    def _is_due(self, key: str | None) -> bool:
        return time.monotonic() - self._updated.get(key, -math.inf) >= _UPDATE_PERIOD


def sync(ledger: Ledger, *, experiment: str, uri: str, files: Sequence[Path] = (), verdict: str = "") -> Projection:
    """Push all records that are missing in MLflow, `files` as artifacts of the sweep's run and a verdict as its
    description, and wait for it.

    Raises TrackingError if the store cannot be used.
    """
    tracker = Tracker(ledger, experiment=experiment, uri=uri, required=True)
    for path in files:
        tracker.log_artifact(path)
    tracker.describe(verdict)
    tracker.start()
    return tracker.close(timeout=math.inf)


def _drained(queue: SimpleQueue[_T]) -> Iterator[_T]:
    while True:
        try:
            yield queue.get_nowait()
        except Empty:
            return
