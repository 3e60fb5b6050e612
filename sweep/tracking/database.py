"""The database of an MLflow store: its tables are made by one process at a time, and what is wrong with it is said."""

from __future__ import annotations

import fcntl
import re
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from sweep.addresses import redacted, through_psycopg2
from sweep.errors import TrackingError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from sqlalchemy import URL

__all__ = ["DIALECTS", "file_of", "open_database"]

DIALECTS = ("sqlite", "postgresql", "mysql", "mssql")

_LOCK_KEY = 0x6D6C666C6F77  # of the lock in Postgres under which tables are made
_TIME_LIMIT = 120  # seconds to wait for another process that makes them
_PAUSE = 0.05  # seconds between two looks at a lock
_BUSY = 20  # seconds to wait for another writer of a SQLite file, as MLflow itself waits

# What a database says of tables that an interrupted migration, or two at once, have left behind.
_HALF_MADE = r"already exists|no such (table|column)|duplicate column|does not exist"


def open_database(uri: str) -> MlflowClient:
    """A client of the store in a database; a new one gets its tables, an older one may get those it lacks.

    MLflow makes and changes tables in many steps, which a second process breaks for good; so one does it at a time.
    Raises TrackingError if the database cannot be used, and whatever else MLflow raises.
    """
    import sqlalchemy
    from mlflow import MlflowClient

    try:
        url = sqlalchemy.make_url(through_psycopg2(uri))
        with _alone(url):
            _make_file(url)
            _check_writable(url)
            try:
                return MlflowClient(_text(url))
            except Exception as error:
                if (mistake := _schema_mistake(error, redacted(uri))) is not None:
                    raise TrackingError(mistake) from error
                raise
    except TrackingError:
        raise
    except (sqlalchemy.exc.SQLAlchemyError, OSError, ImportError, ValueError) as error:
        raise _unusable(uri, error) from error


def _unusable(uri: str, error: Exception) -> TrackingError:
    reason = (redacted(str(error)).strip().splitlines() or [type(error).__name__])[0][:400]
    return TrackingError(
        f"the database of MLflow must be open to reading and writing; {redacted(uri)} is not: {reason}; correct "
        "MLFLOW_TRACKING_URI or `tracking.uri`, or the rights to write there"
    )


@contextmanager
def _alone(url: URL) -> Iterator[None]:
    """Let one process at a time open a store. The lock dies with the process or its connection, so none is stale."""
    if url.get_backend_name() == "postgresql":
        with _alone_in_postgres(url):
            yield
    elif (file := file_of(url)) is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.with_name(f"{file.name}.lock").open("a") as lock:
            _take(lock)
            yield
    else:
        yield


@contextmanager
def _alone_in_postgres(url: URL) -> Iterator[None]:
    import sqlalchemy

    engine = sqlalchemy.create_engine(url, connect_args={"connect_timeout": 10}, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"SET lock_timeout = '{_TIME_LIMIT}s'")
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({_LOCK_KEY})")
            yield
    finally:
        engine.dispose()


def _take(lock: TextIO) -> None:
    deadline = time.monotonic() + _TIME_LIMIT
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(f"another process has held {lock.name} for {_TIME_LIMIT} s") from None
            time.sleep(_PAUSE)


def file_of(url: URL) -> Path | None:
    """The file of a SQLite database; None for other databases, and for one in memory."""
    in_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    return Path(str(url.database)) if in_file else None


def _make_file(url: URL) -> None:
    """Make a SQLite file that is not there yet. It gets its name when it is whole, so that nobody who is killed
    meanwhile leaves half a store."""
    from mlflow import MlflowClient

    file = file_of(url)
    if file is None or file.exists():
        return
    new = file.absolute().with_name(f"{file.name}.new")  # MLflow remembers the databases that it has made by address
    for left in (new, new.with_name(f"{new.name}-journal")):
        left.unlink(missing_ok=True)
    MlflowClient(_text(url.set(database=str(new))))
    new.rename(file)


def _check_writable(url: URL) -> None:
    import sqlalchemy

    sqlite = url.get_backend_name() == "sqlite"
    timeouts = {"timeout": _BUSY} if sqlite else {"connect_timeout": 10} if url.get_backend_name() != "mssql" else {}
    engine = sqlalchemy.create_engine(url, connect_args=timeouts)
    try:
        with engine.connect() as connection:
            if sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")  # fails now where a first write would
    finally:
        engine.dispose()


def _text(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def _schema_mistake(error: Exception, where: str) -> str | None:
    """What is wrong with the tables of a store that MLflow could not open, and the remedy; None if it is not they."""
    text = str(error)
    if found := re.search(r"found version (\w+), but expected|Can't locate revision identified by '(\w+)'", text):
        version = found[1] or found[2]
        if version not in ("None", *_known_versions()):
            return (
                f"an MLflow store must be no newer than the MLflow that opens it; the tables of {where} are of version "
                f"{version}, which this one does not know; install the MLflow that wrote it, or a newer one "
                "(`pip install --upgrade mlflow`), or name another store with MLFLOW_TRACKING_URI or `tracking.uri`"
            )
        if version != "None":
            return (
                f"an MLflow store must have the tables of the MLflow that opens it; those of {where} are older "
                f"(version {version}); make a copy of it, then run `mlflow db upgrade {shlex.quote(where)}`"
            )
    return _half_made(error, where)


def _half_made(error: Exception, where: str) -> str | None:
    import sqlalchemy
    from alembic.util import CommandError
    from mlflow.exceptions import MlflowException

    from_database = isinstance(error, sqlalchemy.exc.DBAPIError | MlflowException)
    if not from_database and not isinstance(error, sqlalchemy.exc.SQLAlchemyError | CommandError | KeyError):
        return None
    if from_database and not re.search(_HALF_MADE + "|found version None", str(error)):
        return None
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return (
        f"an MLflow store must have all of its tables; those of {where} are half made ({reason}), as by a process that "
        "was killed meanwhile, or by two at once; move it away, or name another store with MLFLOW_TRACKING_URI or "
        "`tracking.uri`, then run the same command again; nothing of a sweep is in it that the sweep's ledger does not "
        "have, and `python -m sweep sync NAME` pushes that"
    )


def _known_versions() -> list[str]:
    """The versions of tables that the installed MLflow knows."""
    import mlflow
    from alembic.script import ScriptDirectory

    migrations = ScriptDirectory(str(Path(mlflow.__file__).parent / "store" / "db_migrations"))
    return [each.revision for each in migrations.walk_revisions()]
