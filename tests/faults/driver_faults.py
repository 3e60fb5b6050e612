"""Faults of the driver's process, and of what it stands on: its disk and its clock. See tests.faults.faults."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress
from random import Random

from tests.faults.fault_run import FaultRun
from tests.faults.fault_spec import NAME

__all__ = [
    "fill_disk",
    "kill_driver",
    "move_clock",
    "second_driver",
    "stop_gently",
    "stop_now",
    "terminate",
]


def kill_driver(run: FaultRun, rng: Random) -> None:
    """As the kernel does it when memory is short. With Ray inside, all of Ray goes too."""
    run.strike()
    run.kill()


def terminate(run: FaultRun, rng: Random) -> None:
    """As a spot machine ends: SIGTERM to all processes, and soon SIGKILL."""
    run.strike()
    _signal_group(run, signal.SIGTERM)
    run.sleep(rng.uniform(0.2, 5.0))
    _signal_group(run, signal.SIGKILL)
    run.driver.process.wait()


def stop_gently(run: FaultRun, rng: Random) -> None:
    _stop(run, [])


def stop_now(run: FaultRun, rng: Random) -> None:
    _stop(run, ["--now"])


def second_driver(run: FaultRun, rng: Random) -> None:
    """The very same command while it runs already: refused, with the place of the first one."""
    if not run.begun():
        return
    first = f"process {run.driver.process.pid} on {socket.gethostname()}"
    code, output = run.call(*run.command)
    if run.running:  # else the second one may have come into its own
        run.strike()
        run.expect(code == 2 and first in output, f"the second driver was not refused in favour of {first}: {output}")


def fill_disk(run: FaultRun, rng: Random) -> None:
    """No room in the sweep's folder, for some seconds or until the driver has ended."""
    filler = run.sweeps / "filler"
    run.strike()
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    run.sleep(rng.uniform(1.0, 15.0))
    filler.unlink()
    run.sleep(2.0)  # a driver that was refused ends by now


def move_clock(run: FaultRun, rng: Random) -> None:
    """An hour or a day, back or forth."""
    run.strike()
    run.switch(seconds=rng.choice((-86400, -3600, 0, 3600, 86400)))


def _stop(run: FaultRun, how: list[str]) -> None:
    if not run.begun():
        return
    run.strike()
    code, output = run.call("stop", NAME, *how)
    run.wait(lambda: not run.running, 10.0)
    run.expect(code == 0 or run.code == 0, f"`sweep stop` ended with {code}: {output}")


def _signal_group(run: FaultRun, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(run.driver.process.pid, number)
