"""A whole sweep out of its ledger into one file (`sweep.ledger.export_format`)."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from optuna.distributions import distribution_to_json
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial
from pydantic import ValidationError

from sweep.addresses import redacted
from sweep.errors import FolderError, LedgerError
from sweep.ledger.export_format import FORMAT, ExportedSweep, belongs, first_line
from sweep.ledger.storage import open_storage
from sweep.ledger.stored import find_stored, ledger_place, open_ledger

__all__ = ["export_sweep"]


def export_sweep(name: str, root: Path, file: Path) -> str:
    """Write a stored sweep, found by its name or folder, into a new file; what was done, in a sentence.

    A driver may be running: the file holds what the ledger held at one moment. Raises StoredSweepError if there is
    no such sweep, LedgerError if its ledger cannot be read, and FolderError if the file exists or cannot be written.
    """
    directory, spec = find_stored(name, root)
    if os.path.lexists(file):
        raise FolderError(f"an export makes a new file; {file} exists; give it another name, or move the old one away")
    open_ledger(spec, directory, write=False).sweep()  # says in words what may be wrong with it
    try:
        with _snapshot(ledger_place(spec, directory)) as storage:
            exported = _exported(storage, spec.name)
        _write_new(file, json.dumps(exported.model_dump()) + "\n")
    except OSError as error:
        raise FolderError(
            f"the file of an export must be writable; {file} is not ({error.strerror or error}); make room or choose "
            "another place"
        ) from error
    again = f"`python -m sweep import {shlex.quote(str(file))}` makes a ledger of it, in another folder or elsewhere"
    return f"{spec.name}: {exported.contents()} are in {file}; {again}"


@contextmanager
def _snapshot(place: Path | str) -> Iterator[BaseStorage]:
    """A ledger as it is at one moment, whoever writes to it meanwhile."""
    if isinstance(place, str):
        with _transaction(place) as storage:
            yield storage
        return
    with tempfile.TemporaryDirectory(prefix="sweep-export-") as folder:
        copy = Path(folder) / place.name
        shutil.copyfile(place, copy)  # a journal only grows, and each beginning of it is a state of its sweep
        yield open_storage(copy, write=False)


@contextmanager
def _transaction(url: str) -> Iterator[BaseStorage]:
    """A database as one transaction sees it: nothing that others commit after its beginning."""
    from sqlalchemy import NullPool, make_url
    from sqlalchemy.exc import SQLAlchemyError

    address = make_url(url).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
    options = {"isolation_level": "REPEATABLE READ", "poolclass": NullPool}
    try:
        storage = RDBStorage(address, engine_kwargs=options, skip_table_creation=True)
        storage.scoped_session.remove()  # the one that opened it has a transaction of its own
        with storage.engine.connect() as connection, connection.begin():
            storage.scoped_session.configure(bind=connection)
            yield storage
    except (SQLAlchemyError, StorageInternalError) as error:
        raise LedgerError(
            f"the database of the ledger must answer until all of it is read; {redacted(url)} did not "
            f"({first_line(_origin(error))}); run the same command again"
        ) from error


def _exported(storage: BaseStorage, name: str) -> ExportedSweep:
    """Raises LedgerError if the storage holds what no sweep writes."""
    studies = [study for study in storage.get_all_studies() if belongs(study.study_name, name)]
    noted = [
        {
            "name": study.study_name,
            "directions": [direction.name.lower() for direction in study.directions],
            "user_attrs": study.user_attrs,
            "trials": [_noted(trial) for trial in storage.get_all_trials(study._study_id, deepcopy=False)],
        }
        for study in studies
    ]
    spec = next(study.user_attrs.get("spec") for study in studies if study.study_name == name)
    try:
        return ExportedSweep.model_validate({"format": FORMAT, "name": name, "spec": spec, "studies": noted})
    except ValidationError as error:
        raise LedgerError(
            f"a ledger that is exported must be whole; that of {name!r} is not ({first_line(error)}); restore it "
            "from a copy"
        ) from error


def _noted(trial: FrozenTrial) -> dict[str, Any]:
    """The inverse of `_frozen`."""
    return {
        "number": trial.number,
        "state": trial.state.name,
        "values": trial.values,
        "params": {
            name: {"value": value, "distribution": json.loads(distribution_to_json(trial.distributions[name]))}
            for name, value in trial.params.items()
        },
        "user_attrs": trial.user_attrs,
        "system_attrs": trial.system_attrs,
        "intermediate_values": trial.intermediate_values,
        "datetime_start": trial.datetime_start.timestamp() if trial.datetime_start else None,
        "datetime_complete": trial.datetime_complete.timestamp() if trial.datetime_complete else None,
    }


def _write_new(file: Path, text: str) -> None:
    """Write the file as a whole or not at all."""
    new = file.with_name(f"{file.name}.new")
    try:
        with new.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(file)
    finally:
        with suppress(OSError):
            new.unlink(missing_ok=True)


def _origin(error: BaseException) -> BaseException:
    return _origin(error.__cause__) if error.__cause__ is not None else error
