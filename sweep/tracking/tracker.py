"""The thread that keeps MLflow up to date while a sweep runs, and never disturbs the sweep."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self, TypeVar

from sweep.errors import TrackingError
from sweep.tracking.projector import Ledger, Projector, Record, shown_records
from sweep.tracking.store import explain, is_refusal

__all__ = ["Projection", "Tracker", "sync"]

_T = TypeVar("_T")

logger = logging.getLogger(__name__)

_PERIOD = 1.0  # seconds between two looks at what changed
_LIVE = 10.0  # seconds between two updates of a running trial, and of the sweep; a trial that ended is updated at once
_LONGEST_PAUSE = 30.0  # seconds between two attempts in a long outage
_LAST_PAUSES = (0.0, 1.0, 2.0)  # seconds before each of the last attempts


@dataclass(frozen=True, slots=True)
class Projection:
    """How much of a sweep is in MLflow: its trials and confirmations pushed, those missing or incomplete, and what is
    wrong, if anything."""

    pushed: int
    missing: int
    problem: str = ""

    def __str__(self) -> str:
        total = self.pushed + self.missing
        said = f"{self.pushed} of {total} runs are in MLflow" if self.missing else f"all {total} runs are in MLflow"
        return f"{said} ({self.problem})" if self.problem else said


class Tracker:
    """Projects a ledger into MLflow, in a daemon thread. Use as a context, or call `start` and `close`.

    required: whether `start` refuses a store that cannot be used; else the tracker keeps trying while the sweep runs.
    """

    def __init__(self, ledger: Ledger, *, experiment: str, uri: str, required: bool) -> None:
        self.problem = ""
        self._ledger = ledger
        self._uri = uri
        self._required = required
        self._projector = Projector(ledger, experiment=experiment, uri=uri)
        self._notified: SimpleQueue[str] = SimpleQueue()
        self._files: SimpleQueue[Path] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._deadline = math.inf
        # What follows belongs to the thread.
        self._connected = False
        self._ever_failed = False
        self._waiting: dict[str, None] = {}  # keys of the trials that may have changed, oldest first
        self._uploads: list[Path] = []
        self._updated: dict[str | None, float] = {}  # when a trial, or for None the sweep, was last pushed

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close(timeout=60)

    def start(self) -> None:
        """Open the store, then leave it to the thread. Takes as long as the store's first answers; a server that hangs
        is given up after ten seconds. Raises TrackingError if the store cannot be used but is required."""
        try:
            self._connect()
        except Exception as error:
            self._failed(error)
            if self._required:
                raise TrackingError(self.problem) from error
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
        self._thread.start()

    def notify(self, key: str) -> None:
        """A trial changed. Returns at once and never raises."""
        self._notified.put(key)

    def log_artifact(self, path: Path) -> None:
        """Store a file or folder with the sweep's run, soon or at the latest in `close`. Returns at once."""
        self._files.put(path)

    def close(self, timeout: float) -> Projection:
        """Push all that is missing, for at most `timeout` seconds, and end the thread. A store that fails three times
        is given up: the next run of the sweep, or `sync`, pushes the rest."""
        self._deadline = time.monotonic() + timeout
        self._closing.set()
        if self._thread is not None:
            self._thread.join(None if timeout == math.inf else timeout)
        missing = len(self._projector.missing())
        pushed = len(shown_records(self._ledger)) - missing
        problem = self.problem or (f"there was no time for more within {timeout:g} s" if missing else "")
        projection = Projection(pushed, missing, problem)
        if missing:
            logger.warning("%s; the next run of the sweep, or `python -m sweep sync`, pushes the rest", projection)
        return projection

    def _work(self) -> None:
        pause = _PERIOD
        while not self._closing.wait(pause):
            pause = _PERIOD if self._attempt(last=False) else min(2 * pause, _LONGEST_PAUSE)
        for pause in _LAST_PAUSES:
            time.sleep(max(0.0, min(pause, self._deadline - time.monotonic())))
            if self._attempt(last=True):
                return

    def _attempt(self, *, last: bool) -> bool:
        """Push what is due. No error of MLflow, nor of the ledger, may end the thread."""
        try:
            if not self._connected:
                self._connect()
            self._reconcile(last)
            if last and self._ever_failed:
                self._projector.adopt()  # a run whose creation was answered late may be there twice
        except Exception as error:
            self._failed(error)
            return False
        if self.problem:
            logger.info("MLflow is up to date again")
        self.problem = ""
        return True

    def _connect(self) -> None:
        self._projector.connect()
        self._connected = True
        for key in shown_records(self._ledger):
            self._waiting.setdefault(key)

    def _failed(self, error: Exception) -> None:
        self._connected, self._ever_failed = False, True
        problem = explain(error, self._uri)
        if problem != self.problem:
            logger.warning("%s", problem)
        self.problem = problem

    def _reconcile(self, last: bool) -> None:
        """Push every trial that is due, then the sweep. What the store refuses is tried again after all others."""
        self._take_in(last)
        refusals: list[Exception] = []
        records = shown_records(self._ledger)
        for key in self._due(last, records):
            if time.monotonic() > self._deadline:
                return
            del self._waiting[key]
            try:
                self._projector.push(records[key])
            except Exception as error:
                self._waiting[key] = None
                if not is_refusal(error):
                    raise
                refusals.append(error)
            self._updated[key] = time.monotonic()
        if last or self._is_due(None):
            self._push_sweep()
        if refusals:
            raise refusals[0]

    def _push_sweep(self) -> None:
        self._updated[None] = time.monotonic()
        self._projector.push_sweep()
        while self._uploads:
            self._projector.upload(self._uploads[0])
            del self._uploads[0]

    def _take_in(self, last: bool) -> None:
        for key in _taken(self._notified):
            self._waiting.setdefault(key)
        self._uploads += _taken(self._files)
        if last:
            for key in self._projector.missing():
                self._waiting.setdefault(key)

    def _due(self, last: bool, records: Mapping[str, Record]) -> list[str]:
        return [
            key
            for key in self._waiting
            if key in records and (last or self._is_due(key) or records[key].outcome is not None)
        ]

    def _is_due(self, key: str | None) -> bool:
        return time.monotonic() - self._updated.get(key, -math.inf) >= _LIVE


def sync(ledger: Ledger, *, experiment: str, uri: str, files: Sequence[Path] = ()) -> Projection:
    """Push all that MLflow lacks of a sweep, and `files` as artifacts of its run, and wait for it.

    Raises TrackingError if the store cannot be used.
    """
    tracker = Tracker(ledger, experiment=experiment, uri=uri, required=True)
    for path in files:
        tracker.log_artifact(path)
    tracker.start()
    return tracker.close(timeout=math.inf)


def _taken(queue: SimpleQueue[_T]) -> Iterator[_T]:
    while True:
        try:
            yield queue.get_nowait()
        except Empty:
            return
