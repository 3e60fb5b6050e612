"""What of this machine is this process's to use."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Literal

from trainable.precision import gpu_count

__all__ = ["allotted_cpus", "fits", "slots_here"]

_ROUNDING = 1e-9  # three times a third of a GPU fit on one

_CGROUP = Path("/sys/fs/cgroup")


def allotted_cpus(cgroup: Path = _CGROUP) -> int:
    """CPUs that this process may use: by its affinity, by the quota of its control group, and by SLURM, which need not
    enforce what it allots. At least 1.

    cgroup: where the control groups of version 2 are mounted.
    """
    limits = [len(os.sched_getaffinity(0)), *_quotas(cgroup), *_slurm()]
    return max(1, min(limits))


def fits(cpus: float, gpus: float, *, cpu: float, gpu: float) -> int:
    """How many trials fit on a machine with so many CPUs and GPUs. A fraction of a GPU lies on one of them, so that
    three trials of 0.6 do not fit on two.

    cpu, gpu: of a trial.
    """
    by_cpu = int(cpus / cpu + _ROUNDING)
    if not gpu:
        return by_cpu
    by_gpu = int(gpus + _ROUNDING) * int(1 / gpu + _ROUNDING) if gpu <= 1 else int(gpus / gpu + _ROUNDING)
    return min(by_cpu, by_gpu)


def slots_here(cpu: float, gpu: float | Literal["auto"]) -> int:
    """How many trials run at once on this machine where a sweep starts Ray there, at least 1.

    cpu, gpu: of a trial; `auto` is one GPU where there are any.
    """
    gpus = 0 if gpu == 0 else gpu_count()
    own = (1.0 if gpus else 0.0) if gpu == "auto" else float(gpu)
    return max(1, fits(allotted_cpus(), gpus, cpu=cpu, gpu=own))


def _quotas(mount: Path) -> list[int]:
    """The quotas of this process's control group and of all above it: in a container, those of the container."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
        own = next(line.removeprefix("0::/") for line in lines if line.startswith("0::/"))
    except (OSError, StopIteration):
        return []
    groups = [mount, *(mount.joinpath(*Path(own).parts[:depth]) for depth in range(1, len(Path(own).parts) + 1))]
    return [quota for group in groups if (quota := _quota(group / "cpu.max")) is not None]


def _quota(file: Path) -> int | None:
    try:
        limit, period = file.read_text(encoding="utf-8").split()
        return None if limit == "max" else math.ceil(int(limit) / int(period))
    except (OSError, ValueError):
        return None


def _slurm() -> list[int]:
    """Of a batch job: the CPUs of a task, else those of the node."""
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        if (value := os.environ.get(name, "")).isdigit():
            return [int(value)]
    return []
