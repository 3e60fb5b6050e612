"""A worker that does not even run is killed, and no other one."""

from __future__ import annotations

import signal
import subprocess
import sys

import psutil  # type: ignore[import-untyped]
import pytest

from tests.services.waiting import wait_until

pytestmark = pytest.mark.slow

_BEGIN = "import os, signal, time\nfrom sweep.execution.guard import guard\nprocess = guard(0.5)._process\n"


def guarded(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _BEGIN + code], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_process_that_is_stopped_is_killed() -> None:
    assert guarded("os.kill(os.getpid(), signal.SIGSTOP)").returncode == -signal.SIGKILL


def test_a_process_that_waits_is_left_alone_and_takes_its_guard_with_it() -> None:
    done = guarded("time.sleep(2)\nprint(process.pid)")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: not psutil.pid_exists(int(done.stdout)), what="the guard is gone")


def test_a_guard_is_gone_with_a_process_that_is_killed() -> None:
    done = guarded("print(process.pid, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)")
    wait_until(lambda: not psutil.pid_exists(int(done.stdout)), what="the guard is gone")


def test_a_process_runs_without_a_guard_too() -> None:
    done = guarded("process.kill()\nprocess.wait()\ntime.sleep(0.5)\nprint('trained')")
    assert (done.returncode, done.stdout) == (0, "trained\n"), done.stderr
