"""The file of a cluster, as Ray's launcher reads it: which machines there may be, and what trials fit on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sweep.errors import ClusterError
from sweep.spec.model import SweepSpec

__all__ = ["ClusterFile", "NodeType", "fitted", "read_cluster_file"]

_FINITE = ConfigDict(allow_inf_nan=False)
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


class _Block(BaseModel):
    """A kind of machine, as far as it matters here."""

    model_config = _FINITE

    resources: dict[str, Annotated[float, Field(ge=0)]] | None = None
    node_config: dict[str, Any] | None = None
    max_workers: Annotated[int, Field(ge=0)] | None = None

    @property
    def machine(self) -> str:
        """What the cloud calls it."""
        config = self.node_config or {}
        return str(config.get("InstanceType") or config.get("machineType") or "")

    @property
    def spot(self) -> bool:
        """Whether the cloud may take it away."""
        config = self.node_config or {}
        scheduling = config.get("scheduling")
        google = isinstance(scheduling, Mapping) and scheduling.get("provisioningModel") == "SPOT"
        return google or "InstanceMarketOptions" in config


class _Provider(BaseModel):
    type: str


class _File(BaseModel):
    model_config = _FINITE

    cluster_name: str
    provider: _Provider
    max_workers: Annotated[int, Field(ge=0)] = 2  # as Ray has it
    head_node_type: str | None = None
    available_node_types: dict[str, _Block] | None = None


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
    try:
        file = _File.model_validate(data)
    except ValidationError as error:
        raise ClusterError(_refusal(Path(path), error)) from error
    known = file.available_node_types or {}
    head = known.get(file.head_node_type or "")
    return ClusterFile(
        path=Path(path),
        name=file.cluster_name,
        provider=file.provider.type,
        head=head.machine if head else "",
        types=[_node_type(name, block, file.max_workers) for name, block in known.items() if block is not head],
        most=file.max_workers,
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
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        said = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise ClusterError(
            f"a cluster is named by its YAML file; {path} cannot be read ({said}); correct the path, as "
            "cluster/gpu.yaml"
        ) from error
    if not isinstance(data, Mapping):
        raise ClusterError(f"a cluster's file is a YAML mapping; {path} is none; begin with one of cluster/*.yaml")
    return data


def _refusal(path: Path, error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    said = "it is not there" if first["type"] == "missing" else f"{first['msg']}; received {str(first['input'])[:80]}"
    return f"a cluster's file is one that `ray up` takes; in {path}, {place}: {said}; compare with cluster/gpu.yaml"


def _node_type(name: str, block: _Block, most: int) -> NodeType:
    resources = block.resources or {}
    if "CPU" not in resources:
        raise ClusterError(
            f"a cluster's file must say what a machine has, so that trials fit; `resources` of {name} lacks CPU; write "
            '`resources: {"CPU": 4, "GPU": 1}`, as for its kind of machine'
        )
    return NodeType(
        name=name,
        machine=block.machine,
        cpu=resources["CPU"],
        gpu=resources.get("GPU", 0.0),
        spot=block.spot,
        most=most if block.max_workers is None else block.max_workers,
    )
