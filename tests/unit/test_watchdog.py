"""A step that hangs is interrupted, wherever it hangs, and says where."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from sweep.execution.watchdog import StalledError, log_place, time_limit
from tests.services.waiting import TIME_LIMIT


def hang_in_a_read(fifo: Path) -> None:
    """As a data loader whose file never arrives, with code around it that takes errors for outcomes."""
    try:
        fifo.read_text()
    except Exception:
        pytest.fail("a stall is not for the code that hangs")


def test_a_hanging_read_is_interrupted_with_its_stack(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "data.csv")
    with pytest.raises(StalledError, match=r"no evaluation within 0\.001.* minutes") as caught, time_limit(0.1):
        hang_in_a_read(tmp_path / "data.csv")
    stack = "".join(traceback.format_exception(caught.value))
    assert "hang_in_a_read" in stack


def test_what_ends_in_time_is_left_alone_and_leaves_nothing_behind() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(0.05):
        pass
    signal.sigtimedwait([], 0.1)  # long enough for a forgotten alarm to come
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.slow
def test_code_that_never_returns_to_python_ends_with_its_process() -> None:
    code = """
import ctypes, signal
import sweep.execution.watchdog
sweep.execution.watchdog._GRACE = 0.2
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
with sweep.execution.watchdog.time_limit(0.1):
    ctypes.PyDLL(None).sleep(60)  # keeps the interpreter
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=TIME_LIMIT, check=False)
    assert done.returncode == 1
    assert "Timeout" in done.stderr
    assert "line 7" in done.stderr


@pytest.mark.slow
def test_the_place_of_the_log_is_a_file_where_it_is_one(tmp_path: Path) -> None:
    code = "from sweep.execution.watchdog import log_place; print(log_place())"
    with (tmp_path / "worker.err").open("w") as log:
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=log, text=True, check=True)
    assert done.stdout.strip().endswith(f": {tmp_path / 'worker.err'}")
    assert str(os.getpid()) in log_place()
