"""The Ray cluster that a sweep runs on: joined if there is one, else started on this machine."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sweep.addresses import redacted
from sweep.errors import ClusterError
from sweep.execution.machine import allotted_cpus, fits
from sweep.execution.private_ray import logs_folder, private_ray
from trainable.loading import meanwhile

if TYPE_CHECKING:
    from sweep.spec.blocks import Resources

__all__ = ["Cluster", "cluster"]

logger = logging.getLogger(__name__)

_KIND = "accelerator_type:"  # begins the resource by which Ray names a node's GPUs

# Read by Ray at import or start. A value that the user has set stays.
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths of a spec mean the same in every process
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # a trial without GPU leaves CUDA_VISIBLE_DEVICES alone
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # no result.json, csv and tensorboard files: the ledger has it all
    "RAY_AIR_NEW_OUTPUT": "0",  # the older output engine is silent when told so
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # no snapshots of a run that nobody restores
    "TUNE_WARN_THRESHOLD_S": "60",
    "TUNE_FORCE_TRIAL_CLEANUP_S": "5",  # a worker in the middle of a step is not waited for when the sweep stops
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that has been joined.

    slots: trials that fit on it at once.
    cpu, gpu: CPUs and GPUs of a trial, `auto` resolved.
    nodes: what the cluster consists of, for the log.
    alone: whether it is Ray on this machine, started for this sweep, and ends with it.
    stays: whether this process had joined it before, and does not leave it.
    """

    slots: int
    cpu: float
    gpu: float
    nodes: Mapping[str, str]
    alone: bool
    stays: bool = False


@contextmanager
def cluster(
    address: str | None, resources: Resources, concurrency: int | None, *loads: Callable[[], object]
) -> Iterator[Cluster]:
    """Join the cluster at `address` (or RAY_ADDRESS), else start Ray on this machine; leave it at the end. Without an
    address, Ray that this process has joined before is used, and is not left.

    loads: what is loaded meanwhile, one after the other, and has been loaded when the context is entered.

    Raises ClusterError if it cannot be joined, or if no node can hold a trial, and whatever a load raises.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.getLogger("ray.widgets").setLevel(logging.ERROR)  # at its import it advises a notebook to install widgets
    if "ray" in sys.modules and sys.modules["ray"].is_initialized():
        for load in loads:
            load()
        yield _joined_before(address, resources, concurrency)
        return
    place = address or os.environ.get("RAY_ADDRESS")
    place = None if place == "local" else place  # Ray's word for one of one's own
    with private_ray() if place is None else nullcontext():
        import ray

        _load_what_ray_loads()
        try:
            with meanwhile(*loads):
                _join(place)
            yield _measure(ray.nodes(), resources, concurrency, place)  # type: ignore[no-untyped-call]
        finally:
            _leave()


def _load_what_ray_loads() -> None:
    """Load here what `ray.init` would load while another thread loads other things."""
    import ray._common.usage.usage_lib
    import ray._private.runtime_env.uv_runtime_env_hook
    import ray._private.thirdparty.pynvml  # noqa: F401


def _joined_before(address: str | None, resources: Resources, concurrency: int | None) -> Cluster:
    import ray

    if address is not None:
        raise ClusterError(
            f"a process joins one Ray cluster at a time; this one has joined one already, and was asked to join "
            f"{redacted(address)!r}: leave the address out, or call `ray.shutdown()` first"
        )
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return replace(_measure(nodes, resources, concurrency, "this process"), stays=True)


def _join(place: str | None) -> None:
    if place is not None:
        _check_address(place)
    try:
        with _own_sigterm():
            if place is None:
                _start()
            else:
                _init(address=place)
    except Exception as error:  # Ray raises plain ones, of any kind
        where = f"the Ray cluster at {redacted(place)!r} must answer" if place else "Ray must start on this machine"
        first = (redacted(str(error)).strip().splitlines() or [type(error).__name__])[0]
        reached = (
            "check that `ray status` works here; a cluster with a token wants RAY_AUTH_MODE=token in this environment"
        )
        remedy = reached if place else f"see {logs_folder()}, or try again when the machine is less busy"
        raise ClusterError(f"{where}; received: {first}; {remedy}") from error


def _start() -> None:
    """Start Ray on this machine, once more if it does not come up: on a busy machine it may take longer than the half
    minute that it gives itself."""
    import ray

    own = {"address": "local", "include_dashboard": False, "num_cpus": allotted_cpus()}
    try:
        _init(**own)
    except Exception as error:
        logger.warning("Ray did not start, and is started once more: %s", error)
        ray.shutdown()
        _init(**own)


def _init(**arguments: Any) -> None:
    import ray

    ray.init(log_to_driver=False, logging_level=logging.ERROR, **arguments)


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """SIGTERM means after a block what it meant before: Ray makes it end the process with code 15, come what may. In
    another thread than the main one, neither Ray nor anybody else can change that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)
    except SystemExit as error:
        if error.code != signal.SIGTERM:
            raise
        raise KeyboardInterrupt from None


def _leave() -> None:
    """Shut Ray down, or give up after a while: a cluster whose head has died does not answer."""
    import ray

    leaving = threading.Thread(target=ray.shutdown, daemon=True)
    leaving.start()
    leaving.join(timeout=20)
    if leaving.is_alive():
        logger.warning("Ray did not shut down within 20 seconds; its processes end by themselves")


def _check_address(place: str) -> None:
    """Ray itself waits for two minutes, and then ends the process, if nobody listens at an address."""
    if place == "auto":
        return
    if place.startswith(("http://", "https://")):
        raise ClusterError(
            f"a sweep joins Ray at HOST:PORT of the head node (its port is 6379 unless told otherwise); received "
            f"{redacted(place)!r}, which is where Ray takes jobs; unset RAY_ADDRESS to run on this machine, give "
            "--address HOST:PORT, or submit the sweep as a job there: "
            f"`ray job submit --address {shlex.quote(redacted(place))} -- python -m sweep run SPEC --address auto`"
        )
    host, _, port = place.rpartition(":")
    if place.startswith("ray://") or not host or not port.isdigit():
        raise ClusterError(
            f"a Ray address must be HOST:PORT of the head node (its port is 6379 unless told otherwise), or `auto`; "
            f"received {redacted(place)!r}; "
            "to reach a cluster from outside, submit the sweep as a job on its head node"
        )
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"the Ray cluster at {redacted(place)!r} must answer; received: {error}; check the address and that "
            "`ray status` works there"
        ) from error


def _measure(nodes: list[dict[str, Any]], wanted: Resources, concurrency: int | None, place: str | None) -> Cluster:
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    gpus = sum(node.get("GPU", 0) for node in alive)
    gpu = (1.0 if gpus else 0.0) if wanted.gpu == "auto" else float(wanted.gpu)
    slots = sum(fits(node.get("CPU", 0), node.get("GPU", 0), cpu=wanted.cpu, gpu=gpu) for node in alive)
    unknown = wanted.gpu == "auto" and not gpus  # whether the machines that will come have GPUs
    if not slots and (concurrency is None or not place or unknown):
        have = ", ".join(f"{node.get('CPU', 0):g} CPU and {node.get('GPU', 0):g} GPU" for node in alive)
        raise ClusterError(
            f"a trial needs {wanted.cpu:g} CPU and {gpu:g} GPU on one node; the nodes have {have}; lower `resources`, "
            "or, if the cluster adds nodes on demand, set `resources.gpu` to what a trial is to have there, and "
            "`budget.concurrency`"
        )
    found = {
        "ray.cpus": f"{sum(node.get('CPU', 0) for node in alive):g}",
        "ray.gpus": f"{gpus:g}",
        "ray.nodes": str(len(alive)),
    }
    if kinds := sorted({name.removeprefix(_KIND) for node in alive for name in node if name.startswith(_KIND)}):
        found["ray.gpu_kinds"] = ", ".join(kinds)
    return Cluster(slots=concurrency or slots, cpu=float(wanted.cpu), gpu=gpu, nodes=found, alone=not place)
