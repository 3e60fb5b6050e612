"""Guard: a process beside a worker that ends it where it does not even run any more, and so cannot interrupt itself."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
from contextlib import suppress
from functools import cache

__all__ = ["Guard", "guard"]

# It reads what its parent, whose id it is given, writes; if that is silent for so many seconds, it is killed.
_PROGRAM = """
import os, select, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
parent, limit = int(sys.argv[1]), float(sys.argv[2])
while select.select([0], [], [], limit)[0]:
    if not os.read(0, 65536):
        raise SystemExit
if os.getppid() == parent:
    os.kill(parent, signal.SIGKILL)
"""
_BEATS = 10  # in the time after which silence is death


class Guard:
    """Kills this process if it does not run for `seconds`: one that is stopped (SIGSTOP) sees no signal and runs no
    thread, so that no time limit of its own helps. Ray then tells that the worker has died."""

    def __init__(self, seconds: float) -> None:
        command = [sys.executable, "-I", "-S", "-c", _PROGRAM, str(os.getpid()), str(seconds)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)  # noqa: S603
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, args=(seconds / _BEATS,), name="guard", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Dismiss it, when this process ends."""
        self._over.set()
        self._thread.join()
        with suppress(OSError, subprocess.TimeoutExpired):
            self._process.communicate(timeout=1)

    def _beat(self, period: float) -> None:
        assert self._process.stdin is not None, "it is a pipe"
        with suppress(OSError):  # without its guard, a worker trains as well
            while not self._over.wait(period):
                os.write(self._process.stdin.fileno(), b".")


@cache
def guard(seconds: float) -> Guard:
    """The one of this process, from the first call on."""
    made = Guard(seconds)
    atexit.register(made.end)
    return made
