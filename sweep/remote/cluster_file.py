"""The file of a cluster, as Ray's launcher reads it: which machines there may be, and what trials fit on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sweep.errors import ClusterError
from sweep.spec.model import SweepSpec

__all__ = ["ClusterFile", "NodeType", "fitted", "read_cluster_file"]

_ENOUGH = 1e-9  # three times a third of a GPU fit on one


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeType:
    """Machines that take trials. machine: what the cloud calls it. cpu, gpu: of one. most: how many there may be."""

    name: str
    machine: str
    cpu: float
    gpu: float
    spot: bool
    most: int

    def fits(self, cpu: float, gpu: float) -> int:
        """How many trials that need so much fit on one machine."""
        by_cpu = int(self.cpu / cpu + _ENOUGH)
        return min(by_cpu, int(self.gpu / gpu + _ENOUGH)) if gpu else by_cpu


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFile:
    """A cluster as its file describes it. head: what the cloud calls the head's machine. types: the machines that take
    trials; empty where the file does not say what they have, as for one's own machines. most: machines at once."""

    path: Path
    name: str
    provider: str
    head: str
    types: Sequence[NodeType]
    most: int

    @property
    def gpu(self) -> float | None:
        """GPUs of a trial unless the spec says so: one if any machine has one. None where that is not known."""
        if not self.types:
            return None
        return 1.0 if any(each.gpu for each in self.types) else 0.0

    def slots(self, cpu: float, gpu: float) -> int | None:
        """How many trials that need so much run at once on all machines there may be. None where that is not known."""
        if not self.types:
            return None
        left, slots = self.most, 0
        for each in sorted(self.types, key=lambda each: -each.fits(cpu, gpu)):
            machines = min(left, each.most)
            left, slots = left - machines, slots + machines * each.fits(cpu, gpu)
        return slots


def read_cluster_file(path: str | Path) -> ClusterFile:
    """The cluster in a YAML file that `ray up` takes.

    Raises ClusterError for a file that cannot be read, or is none of those.
    """
    data = _mapping(Path(path))
    if "apiVersion" in data:
        raise ClusterError(
            f"a cluster's file is one of Ray's launcher (`ray up`); {path} is one of Kubernetes: give it to `kubectl "
            "create -f`, with the sweep's command as its entrypoint (cluster/README.md)"
        )
    missing = [key for key in ("cluster_name", "provider") if not data.get(key)]
    if missing or not isinstance(data["provider"], Mapping) or "type" not in data["provider"]:
        raise ClusterError(
            f"a cluster's file needs `cluster_name` and `provider` with its `type`; {path} lacks "
            f"{', '.join(missing) or 'provider.type'}; begin with one of cluster/*.yaml"
        )
    types, head = data.get("available_node_types") or {}, data.get("head_node_type")
    if not isinstance(types, Mapping) or not all(isinstance(each, Mapping) for each in types.values()):
        raise ClusterError(
            f"`available_node_types` has a block for each kind of machine; that of {path} has none; see "
            "cluster/gpu.yaml"
        )
    most = int(data.get("max_workers") or 0)
    workers = {name: block for name, block in types.items() if name != head}
    return ClusterFile(
        path=Path(path),
        name=str(data["cluster_name"]),
        provider=str(data["provider"]["type"]),
        head=_machine(types.get(head) or {}),
        types=[_node_type(str(name), block, most) for name, block in workers.items()],
        most=most,
    )


def fitted(spec: SweepSpec, cluster: ClusterFile) -> SweepSpec:
    """The spec with what it leaves to the machines: GPUs of a trial, and as many trials as the cluster may ever hold.

    At the start there is no machine to count, and trials that wait are what makes a cluster grow.
    """
    if spec.resources.gpu == "auto" and cluster.gpu is not None:
        spec = spec.model_copy(update={"resources": spec.resources.model_copy(update={"gpu": cluster.gpu})})
    gpu = spec.resources.gpu
    slots = cluster.slots(spec.resources.cpu, gpu) if gpu != "auto" else None
    if slots == 0:
        raise ClusterError(
            f"a trial must fit on one machine; it needs {spec.resources.cpu:g} CPU and {gpu} GPU, which no machine of "
            f"{cluster.path} has; lower `resources`, or take larger machines"
        )
    if spec.budget.concurrency is None and slots is not None:
        spec = spec.model_copy(update={"budget": spec.budget.model_copy(update={"concurrency": slots})})
    return spec


def _mapping(path: Path) -> Mapping[str, Any]:
    try:
        data = next(yaml.safe_load_all(path.read_text(encoding="utf-8")), None)  # of Kubernetes there are several
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        said = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise ClusterError(
            f"a cluster is named by its YAML file; {path} cannot be read ({said}); correct the path, as "
            "cluster/gpu.yaml"
        ) from error
    if not isinstance(data, Mapping):
        raise ClusterError(f"a cluster's file is a YAML mapping; {path} is none; begin with one of cluster/*.yaml")
    return data


def _node_type(name: str, block: Mapping[str, Any], most: int) -> NodeType:
    resources = block.get("resources") or {}
    config = block.get("node_config") or {}
    spot = "InstanceMarketOptions" in config or (config.get("scheduling") or {}).get("provisioningModel") == "SPOT"
    return NodeType(
        name=name,
        machine=_machine(block),
        cpu=float(resources.get("CPU", 0)),
        gpu=float(resources.get("GPU", 0)),
        spot=spot,
        most=int(block.get("max_workers", most)),
    )


def _machine(block: Mapping[str, Any]) -> str:
    config = block.get("node_config") or {}
    return str(config.get("InstanceType") or config.get("machineType") or "")
