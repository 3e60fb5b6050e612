"""What a sweep ran on: commit, versions, hardware and data, for the record."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.records.sweep import DRAWS_BEFORE, LOOKS_BEFORE, DataRecord, SweepRecord, SweepState
from sweep.spec.model import SweepSpec
from trainable.datasets.digest import data_digest
from trainable.datasets.text_data import TextData, pair_column
from trainable.predicted_classes import PredictedClasses

if TYPE_CHECKING:
    from sweep.spec.cells import Cell

__all__ = ["confirmed_before", "data_records", "environment", "version_changes"]

_PACKAGES = (
    "few-shot-sweep",
    "ray",
    "optuna",
    "torch",
    "transformers",
    "datasets",
    "pytorch-metric-learning",
    "setfit",
    "sentence-transformers",
    "mlflow",
)


def environment() -> Mapping[str, str]:
    """What this process runs on: `python`, `platform`, `cpus`, `git_commit` and `version.PACKAGE`."""
    provenance = {"python": platform.python_version(), "platform": platform.platform(), "cpus": str(os.cpu_count())}
    for package in _PACKAGES:
        try:
            provenance[f"version.{package}"] = version(package)
        except PackageNotFoundError:
            continue
    commit = _git_commit()
    return {**provenance, "git_commit": commit} if commit else provenance


def confirmed_before(known: SweepRecord | None, spec: SweepSpec) -> dict[str, str]:
    """How winners were confirmed in earlier runs, if otherwise: who has seen a verdict may have chosen other looks, or
    more draws, by it. More draws in looks are other looks."""
    if known is None or not known.spec:
        return {}
    before = SweepSpec.recorded(known.spec).confirm
    found = {name: value for name, value in known.provenance.items() if name in (LOOKS_BEFORE, DRAWS_BEFORE)}
    if before.look_draws != spec.confirm.look_draws:
        found[LOOKS_BEFORE] = ", ".join(map(str, before.look_draws)) or "off"
    elif known.state is SweepState.FINISHED and 0 < before.draws < spec.confirm.draws:
        earlier = filter(None, found.get(DRAWS_BEFORE, "").split(", "))
        found[DRAWS_BEFORE] = ", ".join(dict.fromkeys([*earlier, str(before.draws)]))  # a killed run may have said it
    return found


def data_records(cells: Sequence[Cell]) -> Mapping[str, DataRecord]:
    """By name, what a report says of the datasets of these cells. Raises TrainableError for one that cannot be read."""
    import numpy as np

    from sweep.spec.inputs import data_notes
    from trainable.datasets import load

    notes = data_notes(cells)
    configs = {config.name: config for config in (cell.default_config().dataset for cell in cells)}
    return {
        name: DataRecord(
            name=name,
            class_names=data.class_names,
            pool=len(data.pool),
            test=len(data.test),
            test_counts=tuple(np.bincount(data.test.labels_N, minlength=len(data.class_names)).tolist()),
            notes=notes[name],
            labels=PredictedClasses.of({"label": data.test.labels_N}),
            folds=data.folds,
            digest=_digest(data),
            columns=tuple(name for name in (config.text, pair_column(config, data.pool), config.label) if name),
        )
        for name, config, data in ((name, config, load(config)) for name, config in configs.items())
    }


def _digest(data: TextData) -> str:
    """A hash of all that the data consists of, as short as MLflow's digests of datasets may be."""
    return hashlib.sha256(json.dumps(data_digest(data)).encode()).hexdigest()[:16]


def version_changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """The packages whose versions differ between two environments: `torch: was 2.12.0, is now 2.13.0`."""
    names = [name for name in new if name.startswith("version.") and name in old and old[name] != new[name]]
    return [f"{name.removeprefix('version.')}: was {old[name]}, is now {new[name]}" for name in names]


def _git_commit() -> str:
    """The commit of the code that runs, with `-dirty` if it was changed since; empty outside a repository."""
    here = Path(__file__).parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
