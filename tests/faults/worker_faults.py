"""Faults of workers, of the nodes on which they run, and of what happens in them. See tests.faults.faults."""

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

from tests.faults.fault_run import STALL_MINUTES, Scene
from trainable.outcomes import Outcome

__all__ = ["exhaust_memory", "hang_loader", "kill_head", "kill_node", "kill_worker", "meet_nan"]

_STALLED = f"no report within {STALL_MINUTES:g} minutes"
_LEASE = 45.0  # seconds after which the kernel lets others open a file all the same


def kill_worker(scene: Scene, rng: Random) -> None:
    if worker := _worker(scene):
        scene.strike()
        with suppress(psutil.NoSuchProcess):
            worker.kill()


def kill_node(scene: Scene, rng: Random) -> None:
    """The one that trains, if one does; soon another one joins."""
    scene.strike()
    scene.stage.cluster.kill_node()
    scene.sleep(rng.uniform(0.0, 5.0))
    scene.stage.cluster.add_node()


def kill_head(scene: Scene, rng: Random) -> None:
    """The head, then, as whoever manages the cluster would, all the rest; and a new cluster in its place."""
    scene.strike()
    scene.stage.cluster.kill_head()
    scene.sleep(30.0)
    scene.driver.process.kill()  # one that waits for its cluster has lost nothing by it
    scene.driver.process.wait()
    scene.stage.cluster.end()
    scene.stage.cluster.start()


def exhaust_memory(scene: Scene, rng: Random) -> None:
    """The worker gets no memory for tensors until a trial has failed of it."""
    worker = _worker(scene)
    if worker is None:
        return
    failed = _ended(scene, Outcome.FAILED)
    scene.switch(refused=worker.pid)
    if scene.wait(lambda: not worker.is_running() or _ended(scene, Outcome.FAILED) > failed, 60.0):
        scene.strike()
    scene.switch()


def meet_nan(scene: Scene, rng: Random) -> None:
    """Wait for one of the trials whose encoder has a NaN."""
    diverged = _ended(scene, Outcome.DIVERGED)
    if scene.wait(lambda: _ended(scene, Outcome.DIVERGED) > diverged, 60.0):
        scene.strike()


def hang_loader(scene: Scene, rng: Random) -> None:
    """A new worker cannot open a file of its encoder, as on a network drive that hangs, until it is broken off."""
    if not scene.begun():
        return
    for worker in scene.workers:
        with suppress(psutil.NoSuchProcess):
            worker.kill()
    known, began, progress = _stalls(scene), time.monotonic(), scene.progress
    with _unopenable(scene.encoder / "config.json"):
        told = scene.wait(lambda: _stalls(scene) > known, _LEASE)
    if told:
        scene.strike()
        scene.strikes[-1].time, scene.strikes[-1].progress = began, progress
        log = scene.directory.log.read_text(encoding="utf-8")
        scene.expect("load_encoder" in log, "the stack of the hanging loader is not in the log")


def _worker(scene: Scene) -> psutil.Process | None:
    """The process that trains, waiting for it if the driver is just starting one."""
    scene.wait(lambda: bool(scene.workers), 60.0)
    return next(iter(scene.workers), None)


def _ended(scene: Scene, outcome: Outcome) -> int:
    results = scene.results()
    return 0 if results is None else sum(record.outcome is outcome for record in results.trials)


def _stalls(scene: Scene) -> int:
    return scene.directory.log.read_text(encoding="utf-8").count(_STALLED)


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
