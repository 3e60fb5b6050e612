"""Where a ledger is kept: a journal file in the sweep's folder, or a database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.storages import BaseStorage

from sweep.ledger.journal import open_journal

__all__ = ["exclusive", "open_storage"]


def open_storage(place: Path | str, *, write: bool, name: str | None = None) -> BaseStorage:
    """The Optuna storage at a journal file or a database URL.

    With `write`, a journal that ends in the middle of a record is repaired, and a database refuses every write of this
    process while another one has the sweep `name`. Raises LedgerError if the place cannot be used, then or later.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if isinstance(place, Path):
        return open_journal(place, write=write)
    from sweep.ledger.postgres import open_database

    return open_database(place, name if write else None)


@contextmanager
def exclusive(place: Path | str, name: str) -> Iterator[None]:
    """Hold the sweep `name` in a database against drivers on other machines. For a file, its folder's lock does that.

    Raises LedgerError, naming host and process, if another driver holds it.
    """
    if isinstance(place, Path):
        yield
        return
    from sweep.ledger.postgres import locked_in_postgres

    with locked_in_postgres(place, name):
        yield
