"""Sweeps that are already on disk, found by name or by folder, without their original spec file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sweep.errors import StoredSweepError
from sweep.ledger.directory import SweepDirectory
from sweep.ledger.ledger import Ledger
from sweep.ledger.storage import open_storage
from sweep.search.warm_start import FirstTrial, first_trials
from sweep.spec.cells import Cell, cells
from sweep.spec.inputs import digest_inputs
from sweep.spec.model import SweepSpec
from trainable.losses import LOSSES
from trainable.recipes import RECIPES

__all__ = ["check_unchanged", "find_stored", "ledger_place", "open_ledger", "read_stored", "suggested"]


def open_ledger(spec: SweepSpec, directory: SweepDirectory, *, write: bool) -> Ledger:
    """The ledger of the spec's sweep, in its folder or in the database that the spec names."""
    return Ledger(open_storage(ledger_place(spec, directory), write=write, name=spec.name), spec.name)


def ledger_place(spec: SweepSpec, directory: SweepDirectory) -> Path | str:
    """Where the ledger of the spec's sweep is kept: the address of a database, or the journal file in its folder."""
    return spec.ledger or directory.journal


def read_stored(name: str, root: Path) -> tuple[SweepSpec, Ledger]:
    """The resolved spec and the ledger of a stored sweep, to look at.

    Raises StoredSweepError if there is none, naming those that there are.
    """
    directory, spec = find_stored(name, root)
    ledger = open_ledger(spec, directory, write=False)
    ledger.read()
    return spec, ledger


def suggested(spec: SweepSpec, new: Sequence[Cell], root: Path) -> Mapping[str, tuple[FirstTrial, ...]]:
    """By cell, what the sweeps of `search.warm_start` suggest to try first in new cells.

    Raises StoredSweepError if one of these sweeps is not in the folder `root`, LedgerError if it cannot be read.
    """
    if not new:
        return {}
    try:
        earlier = {name: read_stored(name, root)[1].trials() for name in spec.warm_start}
    except StoredSweepError as error:
        raise StoredSweepError(f"search.warm_start: {error}") from error
    return {cell.key: first_trials(cell, earlier, spec.budget.trials_per_cell) for cell in new}


def check_unchanged(spec: SweepSpec, ledger: Ledger, key: str) -> None:
    """Raise LedgerError if data or encoder of a cell are not those that the sweep was begun with, TrainableError if
    they cannot be read."""
    grid = cells(spec)
    ledger.check(grid, digest_inputs([cell for cell in grid if cell.key == key]))


def find_stored(name: str, root: Path) -> tuple[SweepDirectory, SweepSpec]:
    """The folder and the resolved spec of a stored sweep. Raises StoredSweepError if there is none."""
    places = (SweepDirectory(path) for path in (Path(name), root / name))
    found = sorted((each for each in places if each.spec.is_file()), key=lambda each: not each.has_run)
    if found:
        return found[0], _read_spec(found[0])
    known = sorted(path.parent.name for path in root.glob("*/spec.yaml")) if root.is_dir() else []
    raise StoredSweepError(
        f"a sweep is found by its name or its folder; there is none at {name!r}; "
        + (f"{root} holds {', '.join(known)}" if known else f"{root} holds none; `python -m sweep run` begins one")
    )


def _read_spec(directory: SweepDirectory) -> SweepSpec:
    data: Any = None
    try:
        data = yaml.safe_load(directory.spec.read_text(encoding="utf-8"))
        return SweepSpec.recorded(data)
    except (OSError, ValueError, yaml.YAMLError) as error:
        if unknown := _unknown(data):
            raise StoredSweepError(
                f"a sweep is read where its recipes and losses are installed; {directory.spec} has {unknown}, which "
                "no package here brings: install the one that does (MLflow's tag `sweep.trained_with` names it)"
            ) from error
        first = str(error).strip().splitlines()[0]
        raise StoredSweepError(
            f"the resolved spec of a sweep must be readable; {directory.spec} is not: {first}; `python -m sweep run` "
            f"with the "
            "sweep's own spec writes it anew"
        ) from error


def _unknown(data: Any) -> str:
    """The recipes and losses that a resolved spec compares, and that are not known here."""
    compared = data.get("compare") if isinstance(data, Mapping) else None
    if not isinstance(compared, Mapping):
        return ""
    named = {"recipe": RECIPES, "loss": LOSSES}
    lists = {kind: values for kind in named if isinstance(values := compared.get(kind), list)}
    return ", ".join(str(name) for kind, values in lists.items() for name in values if name not in named[kind])
