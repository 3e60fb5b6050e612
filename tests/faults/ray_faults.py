"""Faults of Ray's own processes, of a driver that has Ray of its own or of the cluster. See tests.faults.faults."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import psutil  # type: ignore[import-untyped]

from tests.faults.fault_run import DUE_WITHIN, FaultRun
from tests.services.sessions import Session, workers

__all__ = ["kill_gcs", "kill_head", "kill_node", "kill_raylet", "stop_raylet"]

_GIVEN_UP = 60.0  # seconds within which a node that does not answer has been given up, and its trial begun elsewhere
_ENDED = 90.0  # seconds within which a driver whose Ray has died must have ended
_LEAVING = 120.0  # seconds within which a node that was given up must have ended


def kill_gcs(run: FaultRun, rng: Random) -> None:
    _kill_of_own_ray(run, "gcs_server")


def kill_raylet(run: FaultRun, rng: Random) -> None:
    _kill_of_own_ray(run, "raylet")


def kill_node(run: FaultRun, rng: Random) -> None:
    """The one that trains, if one does; soon another one joins."""
    run.strike()
    run.services.cluster.kill_node(run.services.cluster.busy)
    run.sleep(rng.uniform(0.0, 5.0))
    run.services.cluster.add_node()


def kill_head(run: FaultRun, rng: Random) -> None:
    """The head, then, as whoever manages the cluster would, all the rest; and a new cluster in its place."""
    run.strike()
    run.services.cluster.kill_head()
    run.sleep(30.0)
    run.kill()  # one that waits for its cluster has lost nothing by it
    run.services.cluster.end()
    run.services.cluster.start()


def stop_raylet(run: FaultRun, rng: Random) -> None:
    """The one of the node that trains, until the head has given the node up and its trial continues elsewhere. When it
    continues, it learns of that, and its node ends; another one joins."""
    cluster = run.services.cluster
    node = cluster.busy
    raylets = _processes(node, "raylet")
    run.strike()
    for each in raylets:
        each.suspend()
    run.wait(lambda: any(workers([other]) for other in cluster.nodes if other != node), _GIVEN_UP)
    for each in raylets:
        each.resume()
    if not run.comes(lambda: not node.running, _LEAVING):
        run.expect(False, f"a node that was given up does not end: {node.said}")
    cluster.kill_node(node)
    cluster.add_node()


def _kill_of_own_ray(run: FaultRun, name: str) -> None:
    """The driver ends with its last words; one that was just starting Ray may start it once more instead. An agent of
    Ray's seeks its GCS for a minute more: that it ends too is checked at the end of the round."""
    if not run.wait(lambda: bool(_processes(run.driver, name)), DUE_WITHIN):
        return
    session = run.driver
    run.strike()
    killed = _processes(session, name)
    for each in killed:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    run.wait(lambda: any(each not in killed for each in _processes(session, name)), _ENDED)
    if run.running or run.code == 0:
        return
    told = run.comes(lambda: "the same command resumes" in session.said or run.code == 2, 5.0)
    run.expect(told, f"the driver ended with {run.code} without last words: {session.said}")


def _processes(session: Session, name: str) -> list[psutil.Process]:
    """Those of a session that bear this name."""
    found = []
    for member in session.members():
        with suppress(psutil.NoSuchProcess):
            found += [member] if member.name() == name else []
    return found
