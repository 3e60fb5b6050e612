"""Stopping a sweep from another terminal, or from another machine that sees its folder.

A request is a file in the sweep's folder. The driver looks for it every moment, obeys, and takes it away at the end.
"""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sweep.errors import FolderError, StoredSweepError

if TYPE_CHECKING:
    from sweep.ledger.directory import SweepDirectory

__all__ = ["Stop", "obeying", "request_stop"]

_PERIOD = 0.3  # seconds between two looks


class Stop(StrEnum):
    """How a sweep is asked to stop: when the replicates that run have ended, or at once, as by Ctrl-C."""

    GENTLY = "gently"
    NOW = "now"


@dataclass(slots=True)
class _Watch:
    """Calls `drain` once for a gentle request, and `stop` for an urgent one."""

    directory: SweepDirectory
    drain: Callable[[], None]
    stop: Callable[[], None]
    over: threading.Event

    def work(self) -> None:
        obeyed = None
        while not self.over.wait(_PERIOD):
            wanted = _read(self.directory)
            if wanted in (None, obeyed):
                continue
            obeyed = wanted
            if wanted is Stop.NOW:
                self.stop()
                return
            self.drain()


@contextmanager
def obeying(directory: SweepDirectory, *, drain: Callable[[], None], stop: Callable[[], None]) -> Iterator[None]:
    """Obey requests to stop for as long as the context is open, by a call of `drain` or `stop` from another thread. The
    caller holds the sweep's lock."""
    over = threading.Event()
    watch = threading.Thread(target=_Watch(directory, drain, stop, over).work, name="stopping", daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join()
        directory.stop_request.unlink(missing_ok=True)


def request_stop(directory: SweepDirectory, wanted: Stop, *, told: Callable[[str], None]) -> None:
    """Ask the driver of a sweep to stop, and wait until it has. told: receives one sentence for the person who waits.

    Raises StoredSweepError if no driver runs, and FolderError if its folder cannot be written.
    """
    driver = directory.driver()
    if driver is None:
        raise StoredSweepError(
            f"only a sweep that runs can be stopped; no driver has {directory.path}; `python -m sweep status "
            f"{shlex.quote(str(directory.path))}` tells how it ended"
        )
    when = "it ends at once" if wanted is Stop.NOW else "it ends when the replicates that run have ended"
    told(f"asked {driver} to stop: {when}")
    while directory.driver() == driver:
        if _read(directory) is not wanted:  # a driver that had just begun has taken it for an old one
            _write(directory, wanted)
        time.sleep(_PERIOD)
    directory.stop_request.unlink(missing_ok=True)  # written again, perhaps, after the driver had taken it away


def _write(directory: SweepDirectory, wanted: Stop) -> None:
    new = directory.stop_request.with_suffix(".new")
    try:
        new.write_text(wanted, encoding="utf-8")
        new.replace(directory.stop_request)
    except OSError as error:
        raise FolderError(
            f"a request to stop is a file in the sweep's folder, which must be writable; {directory.path} is not "
            f"({error.strerror or error}); send SIGINT to the driver instead"
        ) from error


def _read(directory: SweepDirectory) -> Stop | None:
    try:
        return Stop(directory.stop_request.read_text(encoding="utf-8").strip())
    except (OSError, ValueError):
        return None
