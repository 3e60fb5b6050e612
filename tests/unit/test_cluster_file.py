"""Files of clusters: what they say of machines, and what a spec that leaves room gets from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sweep.errors import ClusterError
from sweep.remote.cluster_file import ClusterFile, NodeType, fit_to_cluster, read_cluster_file
from sweep.spec.reader import load_spec

CLUSTERS = Path(__file__).parents[2] / "cluster"


def test_the_projects_own_files() -> None:
    aws = read_cluster_file(CLUSTERS / "gpu.yaml")
    assert (aws.name, aws.head, aws.most) == ("few-shot-sweep", "m6i.xlarge", 4)
    assert list(aws.types) == [NodeType(name="gpu", machine="g6.xlarge", cpu=4, gpu=1, spot=True, most=4)]
    gcp = read_cluster_file(CLUSTERS / "gcp.yaml")
    assert [(each.machine, each.spot) for each in gcp.types] == [("g2-standard-4", True)]
    own = read_cluster_file(CLUSTERS / "onprem.yaml")
    assert (own.gpu, own.slots(1, 1)) == (None, None)


@pytest.mark.parametrize(
    ("cpu", "gpu", "slots"),
    [
        (1, 1, 4),
        (1, 0.5, 8),
        (1, 1 / 3, 12),
        (0.5, 0.2, 20),
        (0.5, 0.6, 4),
        (2, 0.25, 8),
        (1, 0, 16),
        (8, 1, 0),
        (1, 2, 0),
    ],
)
def test_slots_are_what_fits_on_each_machine(cpu: float, gpu: float, slots: int) -> None:
    assert read_cluster_file(CLUSTERS / "gpu.yaml").slots(cpu, gpu) == slots


def test_the_bound_of_the_cluster_holds_over_its_types(tmp_path: Path) -> None:
    small = {"resources": {"CPU": 4, "GPU": 1}, "node_config": {"InstanceType": "small"}, "max_workers": 9}
    large = {"resources": {"CPU": 16, "GPU": 4}, "node_config": {"InstanceType": "large"}, "max_workers": 2}
    cluster = read_cluster_file(written(tmp_path, {"small": small, "large": large}, max_workers=3))
    assert cluster.slots(1, 1) == 2 * 4 + 1


def test_a_spec_that_leaves_room_is_fitted() -> None:
    cluster = read_cluster_file(CLUSTERS / "gpu.yaml")
    spec = fit_to_cluster(load_spec("quickstart", ["resources.gpu=auto"]), cluster)
    assert (spec.resources.gpu, spec.budget.concurrency) == (1.0, 4)
    spec = fit_to_cluster(load_spec("quickstart", ["resources.gpu=0.5"]), cluster)
    assert (spec.resources.gpu, spec.budget.concurrency) == (0.5, 8)
    spec = fit_to_cluster(load_spec("quickstart", ["resources.gpu=0.5", "budget.concurrency=3"]), cluster)
    assert spec.budget.concurrency == 3
    own = load_spec("quickstart", ["resources.gpu=auto"])
    assert fit_to_cluster(own, read_cluster_file(CLUSTERS / "onprem.yaml")) == own


def test_a_trial_that_fits_nowhere_is_refused() -> None:
    spec = load_spec("quickstart", ["resources.gpu=1", "resources.cpu=100"])
    with pytest.raises(ClusterError, match=r"needs 100 CPU and 1\.0 GPU, which no machine .* has; lower `resources`"):
        fit_to_cluster(spec, read_cluster_file(CLUSTERS / "gpu.yaml"))


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (None, "named by its YAML file; .* cannot be read .*No such file"),
        ("a: [", "cannot be read .*; correct the path"),
        ("- 1", "is a YAML mapping; .* is none; begin with one of"),
        ("", "is a YAML mapping"),
        ("a: 2026-13-45", "cannot be read .*month"),
        ("x: " + 9999 * "[", "cannot be read"),
        ("cluster_name: x", "provider: it is not there; compare with cluster/gpu.yaml"),
        ("{cluster_name: x, provider: aws}", "provider: .*received aws"),
        ("{cluster_name: x, provider: {}}", r"provider\.type: it is not there"),
        (
            "{cluster_name: x, provider: {type: aws}, available_node_types: [1]}",
            r"available_node_types: .*received \[1\]",
        ),
        ("{cluster_name: x, provider: {type: aws}, max_workers: many}", "max_workers: .*received many"),
        ("{cluster_name: x, provider: {type: aws}, max_workers: -1}", "max_workers: .*received -1"),
        ("{cluster_name: x, provider: {type: aws}, head_node_type: [x]}", "head_node_type: .*received"),
        ("{apiVersion: ray.io/v1, kind: RayJob}", "one of Kubernetes: give it to `kubectl"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: str | None, rule: str) -> None:
    path = tmp_path / "cluster.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ClusterError, match=rule):
        read_cluster_file(path)


@pytest.mark.parametrize(
    ("block", "rule"),
    [
        ({"resources": {"CPU": "x"}}, r"types\.gpu\.resources\.CPU: .*received x"),
        ({"resources": {"CPU": float("nan")}}, r"types\.gpu\.resources\.CPU: .*received nan"),
        ({"resources": [1]}, r"types\.gpu\.resources: .*received"),
        ({"resources": {"CPU": 1}, "max_workers": "x"}, r"types\.gpu\.max_workers: .*received x"),
        ({"resources": {"CPU": 1}, "node_config": [1]}, r"types\.gpu\.node_config: .*received"),
        ({"resources": {"GPU": 1}}, "`resources` of gpu lacks CPU; write"),
        ({}, "`resources` of gpu lacks CPU"),
    ],
)
def test_a_machine_that_cannot_be_understood_is_refused(tmp_path: Path, block: dict[str, Any], rule: str) -> None:
    with pytest.raises(ClusterError, match=rule):
        read_cluster_file(written(tmp_path, {"gpu": block}))


def test_the_bound_that_is_left_out_is_that_of_ray(tmp_path: Path) -> None:
    assert read_cluster_file(written(tmp_path, {"gpu": {"resources": {"CPU": 1}}})).slots(1, 0) == 2


def test_kuberay_is_told_apart() -> None:
    with pytest.raises(ClusterError, match="one of Kubernetes"):
        read_cluster_file(CLUSTERS / "kuberay.yaml")


def written(folder: Path, types: dict[str, Any], **fields: Any) -> Path:
    head = {"resources": {"CPU": 0}, "node_config": {"InstanceType": "head"}}
    data = {
        "cluster_name": "own",
        "provider": {"type": "aws"},
        "head_node_type": "head",
        "available_node_types": {"head": head, **types},
        **fields,
    }
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def test_no_machines_are_no_guess() -> None:
    cluster = ClusterFile(path=Path("x"), name="x", head="", types=[], most=0)
    assert cluster.gpu is None
