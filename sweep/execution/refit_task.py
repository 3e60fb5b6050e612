"""A winner that is trained once more on a node of a cluster, as a Ray task. Its folder comes back as files."""

from __future__ import annotations

import json
import platform
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweep.errors import ClusterError
from sweep.execution.ray_cluster import Cluster, cluster
from sweep.hiding import hidden_modules
from trainable.config import TrialConfig
from trainable.errors import ConfigError, TrainableError
from trainable.shots import Shots

if TYPE_CHECKING:
    from sweep.execution.trial_inputs import TrialInputs
    from sweep.spec.model import SweepSpec
    from trainable.refitting import Refitted

__all__ = ["refit_at", "refit_on"]

_RETRIES = 3  # of a training whose node has died
_PERIOD = 1.0  # seconds between two looks at what it says

_Told = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trained:
    """A classifier as it travels. files: those of its folder, by name. known: the other fields of `Refitted`."""

    files: Mapping[str, bytes]
    known: Mapping[str, Any]


def refit_at(address: str | None) -> Callable[[SweepSpec, TrialConfig, Shots, _Told], Refitted]:
    """Return what refits on the cluster at an address, which it joins and leaves. It raises ClusterError for one that
    cannot be joined, or where training fails, and TrainableError as `trainable.refitting.refit` does."""

    def training(spec: SweepSpec, config: TrialConfig, shots: Shots, told: _Told) -> Refitted:
        with cluster(address, spec.resources, spec.budget.concurrency) as joined:
            return _refitted(joined, config, shots, told)

    return training


def refit_on(joined: Cluster) -> Callable[[SweepSpec, TrialConfig, Shots, _Told], Refitted]:
    """Return what refits on a cluster that has been joined, and raises the same."""
    return lambda spec, config, shots, told: _refitted(joined, config, shots, told)


def _refitted(joined: Cluster, config: TrialConfig, shots: Shots, told: _Told) -> Refitted:
    """Train on any node with room for a trial, and say what is said there. A node that dies is replaced."""
    import ray

    from sweep.execution.trial_inputs import pack

    told(f"waiting for a node with {joined.cpu:g} CPU and {joined.gpu:g} GPU")
    said: Any = ray.remote(num_cpus=0)(_Said).remote()
    task = ray.remote(num_cpus=joined.cpu, num_gpus=joined.gpu, max_retries=_RETRIES)(_train)
    inputs = pack([config], everywhere=not joined.alone)
    result = task.remote(inputs, json.dumps(config.flat()), shots, said)
    try:
        while not ray.wait([result], timeout=_PERIOD)[0]:
            _pass_on(said, told)
        _pass_on(said, told)
        found = ray.get(result)
    except (ray.exceptions.RayError, OSError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise ClusterError(
            f"a winner is trained on a node of the cluster; that failed: {first[:300]}; see `ray status` and "
            "the logs of Ray there, then run the same command again"
        ) from error
    finally:
        ray.cancel(result, force=True)  # without effect on one that has ended
        ray.kill(said)
    if isinstance(found, TrainableError):
        raise found
    return _unpacked(found)


class _Said:
    """Hands on what is said on another node."""

    def __init__(self) -> None:
        self._said: list[str] = []

    def add(self, said: str) -> None:
        self._said.append(said)

    def taken(self) -> list[str]:
        """What was said since the last call."""
        taken, self._said = self._said, []
        return taken


def _pass_on(said: Any, told: _Told) -> None:
    import ray

    for each in ray.get(said.taken.remote()):
        told(each)


def _train(inputs: TrialInputs, flat: str, shots: Shots, said: Any) -> _Trained | TrainableError:
    """Train on this node. What is wrong with data or fields is returned: a task that raises is tried again."""
    import ray

    from sweep.execution.worker import hide_unreserved_gpus
    from trainable.quiet import quiet
    from trainable.refitting import refit

    def tell(words: str) -> None:
        ray.get(said.add.remote(words))  # heard before the result is: Ray keeps no order between two senders

    machine = platform.node()
    hidden = hidden_modules()
    if unfit := f"on {machine}, {hidden}" if hidden else inputs.lacking(machine):
        return ConfigError(unfit)
    hide_unreserved_gpus()
    config = TrialConfig.from_flat(json.loads(flat))
    tell(f"training on {machine}")
    try:
        inputs.provide_for(config)
        with quiet(), tempfile.TemporaryDirectory(prefix="sweep-refit-") as scratch:
            found = refit(config, shots=shots, told=tell)
            found.classifier.save(scratch)
            files = {path.name: path.read_bytes() for path in Path(scratch).iterdir()}
    except TrainableError as error:
        return error
    known = {each.name: getattr(found, each.name) for each in fields(found) if each.name != "classifier"}
    return _Trained(files=files, known=known)


def _unpacked(found: _Trained) -> Refitted:
    from trainable.classifier import Classifier
    from trainable.refitting import Refitted

    with tempfile.TemporaryDirectory(prefix="sweep-refit-") as scratch:
        for name, content in found.files.items():
            (Path(scratch) / name).write_bytes(content)
        return Refitted(classifier=Classifier.load(scratch), **found.known)
