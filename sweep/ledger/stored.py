"""Sweeps that are already on disk, found by name or by folder, without their original spec file."""

from __future__ import annotations

from pathlib import Path

import yaml

from sweep.errors import StoredSweepError
from sweep.ledger.directory import SweepDirectory
from sweep.ledger.ledger import Ledger
from sweep.ledger.storage import open_storage
from sweep.spec.model import SweepSpec

__all__ = ["find_stored", "ledger_place", "open_ledger", "read_stored"]


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


def find_stored(name: str, root: Path) -> tuple[SweepDirectory, SweepSpec]:
    """The folder and the resolved spec of a stored sweep. Raises StoredSweepError if there is none."""
    for path in (Path(name), root / name):
        directory = SweepDirectory(path)
        if directory.spec.is_file():
            return directory, _read_spec(directory)
    known = sorted(path.parent.name for path in root.glob("*/spec.yaml")) if root.is_dir() else []
    raise StoredSweepError(
        f"a sweep is found by its name or its folder; there is none at {name!r}; "
        + (f"{root} holds {', '.join(known)}" if known else f"{root} holds none; `python -m sweep run` begins one")
    )


def _read_spec(directory: SweepDirectory) -> SweepSpec:
    try:
        return SweepSpec.recorded(yaml.safe_load(directory.spec.read_text(encoding="utf-8")))
    except (OSError, ValueError, yaml.YAMLError) as error:
        first = str(error).strip().splitlines()[0]
        raise StoredSweepError(
            f"the resolved spec of a sweep must be readable; {directory.spec} is not: {first}; `python -m sweep run` "
            f"with the "
            "sweep's own spec writes it anew"
        ) from error
