"""Ray of a sweep's own, as it is started on this machine: who can reach it, what it leaves, what its workers see."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
import json, os, psutil, sys, threading, time
from pathlib import Path
from sweep.execution import ray_cluster, tune_run
from sweep.execution.ray_cluster import cluster
from sweep.spec.blocks import Resources

class Watch:
    # Notes what the main thread looks for while Ray starts; what it does not find are libraries of other accelerators.

    starting, looked_for = False, []

    def find_spec(self, name, path=None, target=None):
        if self.starting and threading.current_thread() is threading.main_thread():
            self.looked_for.append(name)

def watched(place, join=ray_cluster._join):
    watch.starting = True
    join(place)
    watch.starting = False

watch, ray_cluster._join = Watch(), watched
sys.meta_path.insert(0, watch)

def listening():
    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        for connection in process.net_connections("inet"):
            if connection.status == psutil.CONN_LISTEN:
                yield connection.laddr

def words():
    return [process.cmdline() for process in psutil.Process().children(recursive=True)]

def workers():
    return [each for each in words() if any(word.endswith(("default_worker.py", "ray::IDLE")) for word in each)]

with cluster(None, Resources(), None, tune_run.load) as joined:
    import ray
    tune = "ray.tune" in sys.modules
    from sweep.execution.worker import hide_unreserved_gpus

    @ray.remote
    def visible():
        hide_unreserved_gpus()
        return os.environ.get("CUDA_VISIBLE_DEVICES")

    time.sleep(3)
    idle = workers()
    token = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
    found = {
        "loaded_meanwhile": tune,
        "loaded_beside": [name for name in watch.looked_for if name in sys.modules],
        "slots": joined.slots,
        "idle": idle,
        "python": sorted({Path(word).name for each in words() for word in each if word.endswith(".py")}),
        "minimal": any("--minimal" in word for each in words() for word in each),
        "loaded": [name for name in ("ray.dashboard.optional_deps", "aiohttp_cors") if name in sys.modules],
        "visible": ray.get(visible.options(num_gpus=0).remote()),
        "addresses": sorted({each.ip for each in listening()}),
        "ports": sorted({each.port for each in listening()}),
        "token": str(token),
        "modes": [token.stat().st_mode, token.parent.stat().st_mode],
        "guarded": ray._raylet.get_authentication_mode() == ray._raylet.AuthenticationMode.TOKEN,
    }
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def found(home: Path) -> dict[str, Any]:
    """What is to be seen of Ray while it runs on one of this machine's CPUs, which has a GPU that nobody reserves."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    cpu = min(os.sched_getaffinity(0))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**kept, "HOME": str(home), "CUDA_VISIBLE_DEVICES": "0"},
        preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_it_listens_on_the_loopback_alone(found: dict[str, Any]) -> None:
    assert found["addresses"], "Ray listens somewhere"
    assert all(address in ("127.0.0.1", "::1", "::ffff:127.0.0.1") for address in found["addresses"]), found[
        "addresses"
    ]


def test_it_has_no_server_of_a_dashboard(found: dict[str, Any]) -> None:
    """It takes 0.9 s of a processor and 117 MB, and `ray.init` waits for it."""
    assert not [name for name in found["python"] if name in ("dashboard.py", "monitor.py", "log_monitor.py")], found


def test_it_loads_nothing_for_a_dashboard(found: dict[str, Any]) -> None:
    """Ray finds out whether it could serve one by loading all that it would take."""
    assert found["minimal"], "the agent would serve HTTP"
    assert found["loaded"] == []


def test_it_wants_no_port_that_another_one_may_have(found: dict[str, Any]) -> None:
    """The agents of two of them would quarrel for this one, and the later sweep would wait for seconds."""
    assert 52365 not in found["ports"]


def test_it_asks_for_a_token_that_nobody_else_can_read_and_that_does_not_stay(
    found: dict[str, Any], home: Path
) -> None:
    assert found["guarded"]
    assert [stat.S_IMODE(mode) for mode in found["modes"]] == [0o600, 0o700]
    assert not Path(found["token"]).exists()
    assert not (home / ".ray").exists(), "nothing is left in HOME"


def test_tune_is_loaded_while_it_starts_and_nothing_beside_tune(found: dict[str, Any]) -> None:
    """Two threads that load large libraries at once can wait for each other for ever."""
    assert found["loaded_meanwhile"]
    assert found["loaded_beside"] == []


def test_it_uses_the_cpus_that_are_allotted(found: dict[str, Any]) -> None:
    assert found["slots"] == 1


def test_it_starts_no_worker_before_there_is_a_trial(found: dict[str, Any]) -> None:
    assert found["idle"] == []


def test_a_worker_sees_no_gpu_that_was_not_reserved(found: dict[str, Any]) -> None:
    assert found["visible"] == ""
