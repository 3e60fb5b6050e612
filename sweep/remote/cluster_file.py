"""The YAML file of a cluster of Ray's launcher: which machines it may have, and how many trials fit on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sweep.errors import ClusterError
from sweep.execution.machine import fits
from sweep.spec.model import SweepSpec

__all__ = ["ClusterFile", "NodeType", "fit_to_cluster", "read_cluster_file"]

_FINITE = ConfigDict(allow_inf_nan=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeType:
    """A kind of machine that runs trials.

    name: its name in the file.
    machine: the cloud's name of the machine type, e.g. `g6.xlarge`; empty for one's own machines.
    cpu, gpu: CPUs and GPUs of one machine.
    spot: True if the cloud may take a machine away at any time.
    most: the largest number of such machines at once.
    """

    name: str
    machine: str
    cpu: float
    gpu: float
    spot: bool
    most: int

    def fits(self, cpu: float, gpu: float) -> int:
        """Number of trials with these resources that fit on one machine."""
        return fits(self.cpu, self.gpu, cpu=cpu, gpu=gpu)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFile:
    """A cluster as its file describes it.

    path: of the file.
    name: of the cluster.
    head: the cloud's name of the head's machine type; empty for one's own machine.
    types: the kinds of machines that run trials; empty if the file does not list them, as for one's own machines.
    most: the largest number of machines at once, the head not counted.
    """

    path: Path
    name: str
    head: str
    types: Sequence[NodeType]
    most: int

    @property
    def gpu(self) -> float | None:
        """GPUs of a trial if the spec leaves them open: 1 if any machine has one, else 0; None if that is unknown."""
        if not self.types:
            return None
        return 1.0 if any(kind.gpu for kind in self.types) else 0.0

    def slots(self, cpu: float, gpu: float) -> int | None:
        """Number of trials with these resources that run at once on the largest cluster; None if that is unknown."""
        if not self.types:
            return None
        left, slots = self.most, 0
        for kind in sorted(self.types, key=lambda kind: -kind.fits(cpu, gpu)):
            machines = min(left, kind.most)
            left, slots = left - machines, slots + machines * kind.fits(cpu, gpu)
        return slots


class _Block(BaseModel):
    """The fields of a node type in the file that matter here."""

    model_config = _FINITE

    resources: dict[str, Annotated[float, Field(ge=0)]] | None = None
    node_config: dict[str, Any] | None = None
    max_workers: Annotated[int, Field(ge=0)] | None = None

    @property
    def machine(self) -> str:
        """The cloud's name of the machine type; empty if there is none."""
        config = self.node_config or {}
        return str(config.get("InstanceType") or config.get("machineType") or "")

    @property
    def spot(self) -> bool:
        """True if the cloud may take the machine away at any time."""
        config = self.node_config or {}
        scheduling = config.get("scheduling")
        google = isinstance(scheduling, Mapping) and scheduling.get("provisioningModel") == "SPOT"
        return google or "InstanceMarketOptions" in config


class _Provider(BaseModel):
    type: str


class _File(BaseModel):
    model_config = _FINITE

    cluster_name: str
    provider: _Provider  # only asked for: it tells a file of the launcher from any other
    max_workers: Annotated[int, Field(ge=0)] = 2  # as Ray has it
    head_node_type: str | None = None
    available_node_types: dict[str, _Block] | None = None


def read_cluster_file(path: str | Path) -> ClusterFile:
    """Read the YAML file that `ray up` takes. Raises ClusterError if it cannot be read or is not such a file."""
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
    kinds = file.available_node_types or {}
    head = kinds.get(file.head_node_type or "")
    return ClusterFile(
        path=Path(path),
        name=file.cluster_name,
        head=head.machine if head else "",
        types=[_node_type(name, block, file.max_workers) for name, block in kinds.items() if block is not head],
        most=file.max_workers,
    )


def fit_to_cluster(spec: SweepSpec, cluster: ClusterFile) -> SweepSpec:
    """The spec with the fields that it leaves to the cluster: GPUs of a trial, and the number of trials at once.

    The latter is what the largest cluster can run, not the present one: trials that wait are what makes a cluster grow.
    Raises ClusterError if a trial fits on no machine.
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
        data = next(
            yaml.safe_load_all(path.read_text(encoding="utf-8")), None
        )  # Kubernetes files have several documents
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        problem = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise ClusterError(
            f"a cluster is named by its YAML file; {path} cannot be read ({problem}); correct the path, as "
            "cluster/gpu.yaml"
        ) from error
    if not isinstance(data, Mapping):
        raise ClusterError(f"a cluster's file is a YAML mapping; {path} is none; begin with one of cluster/*.yaml")
    return data


def _refusal(path: Path, error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    received = f"; received {str(first['input'])[:80]}"
    problem = "it is not there" if first["type"] == "missing" else f"{first['msg']}{received}"
    return f"a cluster's file is one that `ray up` takes; in {path}, {place}: {problem}; compare with cluster/gpu.yaml"


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
