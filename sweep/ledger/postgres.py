"""A ledger in Postgres, whose operations outlive cut connections and restarts of the server."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from optuna.exceptions import DuplicatedStudyError, OptunaError, StorageInternalError
from optuna.storages import BaseStorage, RDBStorage, get_storage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from sweep.addresses import redacted, through_psycopg2
from sweep.errors import LedgerError
from sweep.ledger.postgres_lock import PostgresLock, driver

__all__ = ["TIME_LIMIT", "locked_in_postgres", "open_database"]

TIME_LIMIT = 300.0  # seconds for which an operation waits for a database that does not answer
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 10.0  # seconds between two attempts; a cut connection is mostly back at once
_SCHEMA_KEY = 0x736368656D61  # of the lock under which tables are made
_SETTINGS = {  # a peer that is gone is noticed within a minute
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}

_OPEN_TRANSACTIONS = """
    SELECT pid FROM pg_stat_activity
    WHERE application_name = current_setting('application_name') AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
"""

T = TypeVar("T")
logger = logging.getLogger(__name__)


def open_database(url: str, name: str | None) -> BaseStorage:
    """The Optuna storage in a Postgres database.

    name: the sweep that will be written, of which every connection then holds the lock; None for those who only look.
    Raises LedgerError if the database cannot be used.
    """
    with _in_words(url):
        storage = _with_tables(url)
        event.listen(storage.engine, "handle_error", _raise_cut)
        if name is not None:
            event.listen(storage.engine, "connect", PostgresLock(name, redacted(url)).join)
            storage.engine.dispose()  # its first connections were made without the lock
    return _RetryingStorage(get_storage(storage), storage.engine, redacted(url))


@contextmanager
def locked_in_postgres(url: str, name: str) -> Iterator[None]:
    """Hold a sweep for this process. Raises LedgerError, naming host and process, if another driver holds it."""
    with _in_words(url):
        engine = create_engine(through_psycopg2(url), connect_args=_connect_args(), isolation_level="AUTOCOMMIT")
    event.listen(engine, "connect", PostgresLock(name, redacted(url)).begin)
    try:
        with _in_words(url), engine.connect():
            pass  # the pool keeps the connection, and with it the lock
        yield
    finally:
        engine.dispose()


def _with_tables(url: str) -> RDBStorage:
    """Optuna's storage. Its tables are made under a lock, for two sweeps may begin at once in a new database."""
    settings = {"connect_args": _connect_args(), "pool_pre_ping": True}
    engine = create_engine(through_psycopg2(url), **settings)
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SCHEMA_KEY})
            return RDBStorage(through_psycopg2(url), engine_kwargs=settings)
    finally:
        engine.dispose()


def _connect_args() -> dict[str, Any]:
    return {**_SETTINGS, "application_name": driver()}


@contextmanager
def _in_words(url: str) -> Iterator[None]:
    try:
        yield
    except LedgerError:
        raise
    except (SQLAlchemyError, OptunaError, ImportError, RuntimeError, ValueError, LookupError) as error:
        raise LedgerError(
            f"the database of the ledger must be open to reading and writing; {redacted(url)} is not: "
            f"{_reason(error)}; correct `ledger`, or set PGPASSWORD in the environment (drivers come with "
            "`pip install few-shot-sweep[postgres]`)"
        ) from error


class _CutError(Exception):
    """The connection was lost or refused; what it was used for was done wholly or not at all."""


def _raise_cut(context: ExceptionContext) -> None:
    """For SQLAlchemy, when a statement fails: tell cuts from errors that would come again.

    It is no error of SQLAlchemy's that is raised, since Optuna repeats some operations on those by itself, and so
    would create a trial twice.
    """
    error = context.sqlalchemy_exception
    if error is None or context.is_pre_ping:  # Ctrl-C; a connection that is replaced at once
        return
    if context.is_disconnect or isinstance(error, OperationalError | InterfaceError):
        raise _CutError(_reason(error)) from error


def _retried(name: str) -> Any:
    """A method of a storage that can be repeated as it is: it reads, or writes what may be written twice."""

    def method(self: _RetryingStorage, *args: Any, **kwargs: Any) -> Any:
        return self._persist(lambda repeated: getattr(self._storage, name)(*args, **kwargs))

    return method


@dataclass(frozen=True, slots=True)
class _RetryingStorage(BaseStorage):
    """A storage that repeats an operation whose connection was cut.

    Nobody knows whether such an operation was done. Only one driver writes, and none of its earlier transactions is
    open any more when it repeats one; so each operation that must not be done twice can look for its own traces.
    """

    _storage: BaseStorage
    _engine: Engine
    _where: str

    set_study_user_attr = _retried("set_study_user_attr")
    set_study_system_attr = _retried("set_study_system_attr")
    get_study_id_from_name = _retried("get_study_id_from_name")
    get_study_name_from_id = _retried("get_study_name_from_id")
    get_study_directions = _retried("get_study_directions")
    get_study_user_attrs = _retried("get_study_user_attrs")
    get_study_system_attrs = _retried("get_study_system_attrs")
    get_all_studies = _retried("get_all_studies")
    set_trial_param = _retried("set_trial_param")
    set_trial_intermediate_value = _retried("set_trial_intermediate_value")
    set_trial_user_attr = _retried("set_trial_user_attr")
    set_trial_system_attr = _retried("set_trial_system_attr")
    get_trial = _retried("get_trial")
    get_all_trials = _retried("get_all_trials")

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        def create(repeated: bool) -> int:
            try:
                return self._storage.create_new_study(directions, study_name)
            except DuplicatedStudyError:
                if not repeated:
                    raise
                assert study_name is not None
                return self._storage.get_study_id_from_name(study_name)

        return self._persist(create)

    def delete_study(self, study_id: int) -> None:
        def delete(repeated: bool) -> None:
            try:
                self._storage.delete_study(study_id)
            except KeyError:
                if not repeated:
                    raise

        self._persist(delete)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        before = len(self.get_all_trials(study_id, deepcopy=False))

        def create(repeated: bool) -> int:
            trials = self._storage.get_all_trials(study_id, deepcopy=False) if repeated else []
            if len(trials) > before:
                return trials[-1]._trial_id
            return self._storage.create_new_trial(study_id, template_trial)

        return self._persist(create)

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        def change(repeated: bool) -> bool:
            if repeated and self._storage.get_trial(trial_id).state == state:
                return True
            return self._storage.set_trial_state_values(trial_id, state, values)

        return self._persist(change)

    def _persist(self, operation: Callable[[bool], T]) -> T:
        """Do an operation, which is told whether it is repeated. Raises LedgerError if it cannot be done."""
        deadline, pause, repeated = time.monotonic() + TIME_LIMIT, _FIRST_PAUSE, False
        while True:
            try:
                if repeated:
                    self._check_earlier_transactions()
                return operation(repeated)
            except _CutError as error:
                if time.monotonic() + pause > deadline:
                    raise self._given_up(f"has not answered for {TIME_LIMIT / 60:.0f} minutes: {error}") from error
                if not repeated:
                    logger.warning(
                        "%s does not answer (%s); its operations are repeated until it does", self._where, error
                    )
            except (SQLAlchemyError, StorageInternalError) as error:
                raise self._given_up(f"refuses: {_reason(error)}") from error
            time.sleep(pause)
            pause, repeated = min(2 * pause, _LONGEST_PAUSE), True

    def _check_earlier_transactions(self) -> None:
        """Raise _CutError while the server has not noticed that a connection of this process is cut: what was sent
        through it may still be done."""
        with self._engine.connect() as connection:
            if connection.execute(text(_OPEN_TRANSACTIONS)).first() is not None:
                raise _CutError("an earlier transaction is not ended yet")

    def _given_up(self, what: str) -> LedgerError:
        return LedgerError(
            f"the database of the ledger must take what is written to it; {self._where} {what}; when it does again, "
            "the same command resumes"
        )


def _reason(error: BaseException) -> str:
    """The first line of what the database said, without passwords."""
    if isinstance(error, StorageInternalError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    return redacted((str(error).strip().splitlines() or [type(error).__name__])[0])
