"""Where a ledger is kept: a journal file in the sweep's folder, or a database."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from sweep.errors import LedgerError

__all__ = ["open_storage"]

logger = logging.getLogger(__name__)


def open_storage(place: Path | str, *, write: bool) -> BaseStorage:
    """The Optuna storage at a journal file or a database URL.

    With `write`, a journal that ends in the middle of a record, as a kill leaves it, is cut back to its last whole
    record; what is cut is kept beside it. Raises LedgerError if the file is no journal or not there to be read, or if
    the database does not answer.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if isinstance(place, str):
        return _open_database(place)
    if write:
        _repair(place)
    elif not place.exists():
        raise LedgerError(
            f"a sweep that has begun has a ledger; there is none at {place}; `python -m sweep run` begins it"
        )
    try:
        return JournalStorage(JournalFileBackend(str(place)))
    except (ValueError, KeyError, TypeError, AssertionError, UnicodeDecodeError) as error:
        raise LedgerError(
            f"a ledger must be a readable Optuna journal; {place} is not ({error}); restore it from a copy, or move "
            f"it away to start anew"
        ) from error


def _open_database(url: str) -> BaseStorage:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return optuna.storages.RDBStorage(url)
    except (SQLAlchemyError, ImportError, RuntimeError, ValueError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise LedgerError(
            f"the database of the ledger must be open to reading and writing; {url} is not: {first}; correct "
            f"`ledger`, or "
            "set PGPASSWORD in the environment (drivers come with `pip install few-shot-sweep[postgres]`)"
        ) from error


def _repair(journal: Path) -> None:
    """Cut a journal back to its last newline: a record glued to a torn one would be lost with it."""
    # Nobody else writes (the caller holds the sweep's lock), so a lock file can only be a dead process's.
    journal.with_name(journal.name + ".lock").unlink(missing_ok=True)
    if not journal.exists():
        return
    content = journal.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        torn = journal.with_name(f"{journal.name}.torn-{int(time.time())}")
        torn.write_bytes(content[whole:])
        logger.warning("the ledger ended in the middle of a record; the torn record is kept in %s", torn)
        with journal.open("r+b") as file:
            file.truncate(whole)
