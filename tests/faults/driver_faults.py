"""Faults of the driver's process, and of what it stands on: its disk and its clock. See tests.faults.faults."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress
from random import Random

from tests.faults.fault_run import NAME, Scene

__all__ = [
    "fill_disk",
    "kill_driver",
    "move_clock",
    "second_driver",
    "stop_gently",
    "stop_now",
    "tear_journal",
    "terminate",
]


def kill_driver(scene: Scene, rng: Random) -> None:
    """As the kernel does it when memory is short. With Ray inside, all of Ray goes too."""
    scene.strike()
    scene.driver.process.kill()
    scene.driver.process.wait()


def terminate(scene: Scene, rng: Random) -> None:
    """As a spot machine ends: SIGTERM to all processes, and soon SIGKILL."""
    scene.strike()
    _signal_group(scene, signal.SIGTERM)
    scene.sleep(rng.uniform(0.2, 5.0))
    _signal_group(scene, signal.SIGKILL)
    scene.driver.process.wait()


def stop_gently(scene: Scene, rng: Random) -> None:
    _stop(scene, [])


def stop_now(scene: Scene, rng: Random) -> None:
    _stop(scene, ["--now"])


def second_driver(scene: Scene, rng: Random) -> None:
    """The very same command while it runs already: refused, with the place of the first one."""
    if not scene.begun():
        return
    first = f"process {scene.driver.process.pid} on {socket.gethostname()}"
    code, output = scene.call(*scene.command)
    if scene.running:  # else the second one may have come into its own
        scene.strike()
        scene.expect(code == 2 and first in output, f"the second driver was not refused in favour of {first}: {output}")


def tear_journal(scene: Scene, rng: Random) -> None:
    """A power cut in the middle of an append: its record is there in part. A report that was on record before stays on
    record, since MLflow may show it already; of any other record, the part is what is left."""
    if not scene.begun():
        return
    scene.driver.process.kill()
    scene.driver.process.wait()
    journal = scene.directory.journal
    whole = journal.read_bytes()
    whole = whole[: whole.rfind(b"\n") + 1]
    last = whole.splitlines(keepends=True)[-1]
    kept = whole if b'{"report/' in last or b'{"replicate/' in last else whole[: -len(last)]
    journal.write_bytes(kept + last[: rng.randrange(1, len(last))])
    scene.strike()


def fill_disk(scene: Scene, rng: Random) -> None:
    """No room in the sweep's folder, for some seconds or until the driver has ended."""
    filler = scene.sweeps / "filler"
    scene.strike()
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    scene.sleep(rng.uniform(1.0, 15.0))
    filler.unlink()
    scene.sleep(2.0)  # a driver that was refused ends by now


def move_clock(scene: Scene, rng: Random) -> None:
    """An hour or a day, back or forth."""
    scene.strike()
    scene.switch(seconds=rng.choice((-86400, -3600, 0, 3600, 86400)))


def _stop(scene: Scene, how: list[str]) -> None:
    if not scene.begun():
        return
    scene.strike()
    code, output = scene.call("stop", NAME, *how)
    scene.wait(lambda: not scene.running, 10.0)
    scene.expect(code == 0 or scene.code == 0, f"`sweep stop` ended with {code}: {output}")


def _signal_group(scene: Scene, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(scene.driver.process.pid, number)
