"""Watchdog: interrupts a step that exceeds its time limit, and reports where it hung."""

from __future__ import annotations

import faulthandler
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

__all__ = ["StalledError", "grace", "log_place", "time_limit"]

_GRACE = 60.0


class StalledError(RuntimeError):
    """A step took longer than it may. Its traceback, through its cause, is the stack at that moment."""


class _Break(BaseException):
    """Passes through code that turns exceptions into outcomes."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise StalledError if the block takes longer than `seconds`.

    Code that never returns to Python cannot be interrupted so: then all stacks are written to the log and the process
    ends. Only the main thread can be interrupted.
    """
    assert threading.current_thread() is threading.main_thread(), "signals reach the main thread alone"
    before = signal.signal(signal.SIGALRM, _break)
    faulthandler.dump_traceback_later(seconds + grace(seconds), exit=True, file=_stderr())
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _Break as stack:
        raise StalledError(f"no evaluation within {seconds / 60:g} minutes (budget.stall_minutes)") from stack
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, before)


def grace(seconds: float) -> float:
    """Seconds after a time limit in which Python code would have noticed it; then only the end of the process helps."""
    return min(seconds, _GRACE)


def log_place() -> str:
    """Where the log of this process lies: host and, where its standard error is a file, the path."""
    path = Path("/proc/self/fd/2")
    name = str(path.resolve()) if path.exists() else ""
    return f"{socket.gethostname()} (process {os.getpid()}){': ' + name if Path(name).is_file() else ''}"


def _break(number: int, frame: FrameType | None) -> None:
    raise _Break


def _stderr() -> int:
    return sys.__stderr__.fileno() if sys.__stderr__ is not None else 2
