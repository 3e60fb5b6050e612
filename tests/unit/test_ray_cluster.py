"""Which cluster is joined, and how many trials fit on it."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from sweep.errors import ClusterError
from sweep.execution.ray_cluster import _measure, cluster
from sweep.spec.blocks import Resources


def node(cpu: float, gpu: float = 0, alive: bool = True) -> dict[str, Any]:
    return {"Alive": alive, "Resources": {"CPU": cpu, **({"GPU": gpu} if gpu else {})}}


@pytest.mark.parametrize(
    ("nodes", "resources", "slots", "gpu"),
    [
        ([node(2)], {}, 2, 0),
        ([node(4)], {"cpu": 3}, 1, 0),
        ([node(8, 1)], {}, 1, 1),  # auto: a GPU each, where there are any
        ([node(8, 1)], {"gpu": 0.5}, 2, 0.5),
        ([node(8, 1)], {"gpu": 0}, 8, 0),
        ([node(4), node(8, 2), node(8, 2, alive=False)], {"gpu": 1}, 2, 1),
        ([node(3), node(3)], {"cpu": 2}, 2, 0),  # a trial never spreads over nodes
        ([node(64, 1)], {"gpu": 0.2}, 5, 0.2),
        ([node(64, 4)], {"gpu": 0.1}, 40, 0.1),
        ([node(64, 4)], {"gpu": 0.6}, 4, 0.6),  # nor over GPUs
        ([node(1)], {"cpu": 0.1}, 10, 0),
    ],
)
def test_slots_are_what_fits_on_each_node(
    nodes: list[dict[str, Any]], resources: dict[str, Any], slots: int, gpu: float
) -> None:
    measured = _measure(nodes, Resources(**resources), concurrency=None, place=None)
    assert (measured.slots, measured.gpu) == (slots, gpu)


def test_the_kinds_of_gpus_continue_record() -> None:
    nodes = [node(2), node(8, 1), node(8, 2), node(8, 1)]
    for each, kind in zip(nodes[1:], ("L4", "H100", "L4"), strict=True):
        each["Resources"][f"accelerator_type:{kind}"] = 1.0
    assert _measure(nodes, Resources(), concurrency=None, place=None).nodes["ray.gpu_kinds"] == "H100, L4"
    assert "ray.gpu_kinds" not in _measure(nodes[:1], Resources(), concurrency=None, place=None).nodes


def test_a_concurrency_of_the_spec_wins() -> None:
    assert _measure([node(8)], Resources(), concurrency=3, place=None).slots == 3
    assert _measure([node(0)], Resources(gpu=1), concurrency=5, place="head:6379").slots == 5  # nodes come on demand


def test_whether_nodes_that_come_on_demand_have_gpus_is_said_by_the_spec() -> None:
    with pytest.raises(ClusterError, match=r"set `resources.gpu` to what a trial is to have there, and `budget.conc"):
        _measure([node(0)], Resources(), concurrency=5, place="head:6379")
    assert _measure([node(0)], Resources(gpu=0), concurrency=5, place="head:6379").gpu == 0


def test_a_trial_that_fits_nowhere_is_refused() -> None:
    with pytest.raises(ClusterError, match=r"needs 1 CPU and 1 GPU on one node; the nodes have 2 CPU and 0 GPU"):
        _measure([node(2)], Resources(gpu=1), concurrency=None, place=None)


@pytest.mark.parametrize("address", ["nonsense", "ray://127.0.0.1:10001", "host:", ":6379", "host:port"])
def test_an_address_of_another_form_is_refused(address: str) -> None:
    with pytest.raises(ClusterError, match="must be HOST:PORT"), cluster(address, Resources(), None):
        pass


@pytest.mark.parametrize("address", ["ray://ann:s3cret@127.0.0.1:10001", "redis://ann:s3cret@127.0.0.1:9"])
def test_an_address_is_told_without_its_password(address: str) -> None:
    with pytest.raises(ClusterError, match=r"://\*\*\*@127.0.0.1") as caught, cluster(address, Resources(), None):
        pass
    assert "s3cret" not in str(caught.value)


def test_an_address_where_nobody_listens_is_refused_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ClusterError, match="must answer"), cluster(f"127.0.0.1:{port}", Resources(), None):
        pass
