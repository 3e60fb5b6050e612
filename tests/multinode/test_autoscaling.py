"""A sweep makes a cluster grow from no GPU to the nodes that its trials fill, and lets each go that it needs no more.

Ray's autoscaler runs as on a cloud; its nodes are raylets on this machine, with GPUs that are mere numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from sweep.ledger.stored import read_stored
from tests.multinode.installed import environment, require_machines
from tests.multinode.namespaces import Computer, Machine, Network
from tests.services.command_line import words
from tests.services.waiting import TIME_LIMIT, wait_until
from tests.sweeps.tiny_task import TinyTask
from trainable.outcomes import Outcome

LOSSES = ("cross_entropy", "soft_triple", "proxy_anchor", "supcon", "triplet")
STORE = 100 * 2**20  # bytes of shared memory for each node; sweeps hardly use it
HEAD = "f" * 51 + "00000"  # the id by which the provider knows the head

CLUSTER: Mapping[str, Any] = {
    "cluster_name": "pretended",
    "provider": {
        "type": "external",
        "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
        "disable_node_updaters": True,
        "disable_launch_config_check": True,
        "launch_multiple": True,
        "head_node_id": HEAD,
    },
    "head_node_type": "ray.head.default",
    "available_node_types": {
        "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
        "gpu": {
            "resources": {"CPU": 2, "GPU": 1, "object_store_memory": STORE},
            "node_config": {},
            "min_workers": 0,
            "max_workers": len(LOSSES),
        },
    },
    "max_workers": len(LOSSES),
    "upscaling_speed": 100,
    "idle_timeout_minutes": 0.1,
    "file_mounts_sync_continuously": False,
    **{key: {} for key in ("auth", "docker", "file_mounts")},
    **{key: [] for key in ("cluster_synced_files", "rsync_exclude", "rsync_filter", "initialization_commands")},
    **{f"{kind}setup_commands": [] for kind in ("", "head_", "worker_")},
    **{f"{kind}_start_ray_commands": [] for kind in ("head", "worker")},
}
AUTOSCALER = {
    "AUTOSCALER_UPDATE_INTERVAL_S": "1",
    "RAY_FAKE_CLUSTER": "1",
    "RAY_enable_autoscaler_v2": "1",
    "RAY_CLOUD_INSTANCE_ID": HEAD,
    "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD,
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """Its nodes and trials are looked at from outside, as processes: nothing of this test occupies a node."""

    machine: Machine

    def start(self) -> None:
        (self.machine.home / "cluster.json").write_text(json.dumps(CLUSTER))
        settings = [f"{name}={value}" for name, value in AUTOSCALER.items()]
        options = ["--num-cpus=0", "--num-gpus=0", "--include-dashboard=false", f"--object-store-memory={STORE}"]
        command = ["ray", "start", "--head", "--port=6379", *options, "--autoscaling-config=cluster.json"]
        self.machine.run(" ".join([*settings, *command]))

    def trials(self) -> dict[int, list[psutil.Process]]:
        """The processes that train on each node with a GPU, or will as soon as they are told to, by the process of the
        node. A node that has just come, or is about to go, has none."""
        processes = [(each, command) for each in psutil.Process().children(recursive=True) if (command := words(each))]
        nodes = [each.pid for each, command in processes if command[0].endswith("/raylet") and "--head" not in command]
        workers = [(each, command[0]) for each, command in processes if command[0].startswith("ray::Worker")]
        training = [(_parent(each), each) for each, title in workers if "__init__" not in title]
        return {node: [each for parent, each in training if parent == node] for node in nodes}

    @contextmanager
    def sweeping(self) -> Iterator[Popen[str]]:
        """Five trials, each half a GPU, that could all run at once."""
        task = TinyTask(self.machine.home)
        task.write()
        task.write_spec(
            self.machine.home / "spec.yaml",
            "toy",
            compare={"dataset": ["films"], "shots": [4], "loss": list(LOSSES)},
            datasets={"films": {"path": "films.csv"}},
            trial={"encoder": "./encoder", "embedding": "mean", "max_length": 16},
            protocol={"replicates": 1, "evaluations": 2, "steps": 20, "validation": 20},
            budget={"trials_per_cell": 1, "concurrency": len(LOSSES)},
            confirm={"draws": 0},
            resources={"cpu": 1, "gpu": 0.5},
        )
        with self.machine.start("exec python -m sweep run spec.yaml --address 127.0.0.1:6379") as process:
            try:
                yield process
            finally:
                process.kill()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    require_machines()
    with Network.opened(tmp_path) as network:
        shell = environment(RAY_AUTH_MODE="disabled")
        cluster = Cluster(network.boot(Computer("machine", ("10.77.0.11/24",), environment=shell)))
        cluster.start()
        yield cluster


def test_nodes_come_for_the_trials_that_wait_and_go_when_none_needs_them(cluster: Cluster) -> None:
    """Trials are halted, so that what is looked at lasts for as long as it takes to happen."""
    assert cluster.trials() == {}
    with cluster.sweeping() as sweep:
        wait_until(lambda: len(halted(cluster, sweep)) == len(LOSSES))
        trials = cluster.trials()
        assert sorted(map(len, trials.values())) == [1, 2, 2], "two halves of a GPU make one node, and no node is idle"

        *others, last = halted(cluster, sweep)
        node = _parent(last)
        for each in others:
            each.resume()
        wait_until(lambda: len(cluster.trials()) < len(trials))  # Tune keeps one idle worker, and its node
        assert node in cluster.trials()
        assert sweep.poll() is None, "nodes were there until the end"

        last.resume()
        output, _ = sweep.communicate(timeout=TIME_LIMIT)
        assert sweep.returncode == 0, output
    wait_until(lambda: cluster.trials() == {})
    records = read_stored("toy", cluster.machine.home / "sweeps")[1].trials()
    assert [(record.outcome, record.attempts) for record in records] == [(Outcome.COMPLETED, 1)] * len(LOSSES)


def halted(cluster: Cluster, sweep: Popen[str]) -> list[psutil.Process]:
    """All that train, halted."""
    assert sweep.poll() is None, "".join(sweep.communicate()[:1])
    found = [each for trials in cluster.trials().values() for each in trials]
    for each in found:
        each.suspend()
    return found


def _parent(process: psutil.Process) -> int:
    try:
        return int(process.ppid())
    except psutil.Error:  # it ended meanwhile
        return 0
