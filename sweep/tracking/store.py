"""The MLflow store: its address, its client, and messages that explain its errors."""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sweep.errors import SweepError, TrackingError
from trainable.loading import uncollected

if TYPE_CHECKING:
    from mlflow import MlflowClient

from sweep.addresses import redacted
from sweep.tracking.database import DIALECTS, open_database

__all__ = ["UploadError", "explain", "is_refusal", "open_client", "tracking_uri", "unhurried"]

DEFAULT_URI = "sqlite:///mlflow.db"

_TIME_LIMIT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
_UNHURRIED = "900"  # seconds

# For this process only, and only where the user has not decided. No retries inside MLflow: it would repeat even the
# creation of a run whose answer came late, and so double it; the tracker itself searches before it creates again.
_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    _TIME_LIMIT: "10",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
_REMEDY = (
    "start it (`mlflow server`), correct MLFLOW_TRACKING_URI or `tracking.uri`, or set `tracking.required: false` to "
    "train without it and push later with `python -m sweep sync NAME`"
)


class UploadError(Exception):
    """An artifact could not be stored; metrics, parameters and tags of its run may be."""


def tracking_uri(configured: str | None) -> str:
    """The store to use: the configured one, else MLFLOW_TRACKING_URI, else a SQLite file in the current folder."""
    return configured or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI


def open_client(uri: str) -> MlflowClient:
    """A client of the store. A new database gets its tables; a server receives no request yet.

    Raises TrackingError, or whatever MLflow raises, if the address cannot be used.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    _check_address(uri)
    with warnings.catch_warnings():
        # Raised where MLflow 3.17 defines its tables under SQLAlchemy 2.1.
        warnings.filterwarnings("ignore", message=r"The ``noload`` loader strategy is deprecated")
        with uncollected():
            import mlflow

            if _dialect(uri) in DIALECTS:
                import mlflow.store.tracking.sqlalchemy_store

        for name in ("mlflow", "alembic", "urllib3.connectionpool"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # the tracker reports problems itself
        return open_database(uri) if _dialect(uri) in DIALECTS else mlflow.MlflowClient(uri)


@contextmanager
def unhurried() -> Iterator[None]:
    """Let a request take a quarter of an hour, unless the user has decided: a server answers the upload of an encoder's
    weights when it has handed them on to its own store."""
    before = os.environ.get(_TIME_LIMIT)
    if before in (None, _ENVIRONMENT[_TIME_LIMIT]):
        os.environ[_TIME_LIMIT] = _UNHURRIED
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(_TIME_LIMIT, None)
        else:
            os.environ[_TIME_LIMIT] = before


def is_refusal(error: Exception) -> bool:
    """True if the store answered and refused this one request, so that others may still succeed."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, UploadError):
        return True
    status = error.get_http_status_code() if isinstance(error, MlflowException) else 500  # type: ignore[no-untyped-call]
    return 400 <= status < 500 and status not in (401, 403, 408, 429)


def explain(error: BaseException, uri: str) -> str:
    """A sentence that explains an error of the store and gives the remedy, without passwords."""
    if isinstance(error, SweepError):
        return redacted(str(error))
    reason, where = _reason(error), redacted(uri)
    return _explain_refusal(error, reason, where) or _explain_outage(reason, where)


def _explain_refusal(error: BaseException, reason: str, where: str) -> str:
    code = getattr(error, "error_code", "")
    if isinstance(error, UploadError):
        return (
            f"MLflow must be able to store artifacts; {where} cannot: {reason}; check the artifact root of the server"
        )
    if code == "RESOURCE_DOES_NOT_EXIST" or "must be in the 'active' state" in reason:
        return f"MLflow must keep the runs of a sweep; {where} has lost one: {reason}; the next attempt recreates it"
    if code == "INVALID_PARAMETER_VALUE" and "unsupported URI" not in reason:
        return f"MLflow must accept what it is sent; {where} refuses this: {reason}; the ledger holds it all the same"
    return ""


def _explain_outage(reason: str, where: str) -> str:
    if "Invalid Host header" in reason:
        return f"the MLflow server must accept this host's name; {where} does not; start it with --allowed-hosts"
    if re.search(r"error code (401|403)|PERMISSION_DENIED|UNAUTHENTICATED", reason):
        return (
            f"the MLflow server must grant access; {where} refuses it ({reason}); set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        )
    return f"the MLflow store must answer; {where} does not: {reason}; {_REMEDY}"


def _reason(error: BaseException) -> str:
    text = redacted(str(error)).strip() or type(error).__name__
    cause = re.search(r"Caused by \w+\(.*?\): (.+?)[\"']\)", text)
    return cause.group(1) if cause else text.splitlines()[0][:400]


def _dialect(uri: str) -> str:
    """The kind of an address: `http`, `sqlite`, ..., without the library that speaks it; empty for a folder."""
    scheme = uri.partition(":")[0] if re.match(r"[\w+\-]+:", uri) else ""
    return scheme.partition("+")[0]


def _check_address(uri: str) -> None:
    """Raise TrackingError at once for an address that MLflow would refuse late, in a traceback or after its retries."""
    dialect = _dialect(uri)
    if dialect in ("", "file") and uri != "databricks" and not _file_stores_allowed():
        raise TrackingError(
            "the MLflow store must be a server or a database, since MLflow no longer writes to folders; received "
            f"{redacted(uri)!r}; use {DEFAULT_URI} or http://HOST:PORT (`mlflow migrate-filestore` takes old runs "
            "along)"
        )
    if dialect in ("http", "https") and not re.match(r"https?://[^/\s]+", uri):
        raise TrackingError(f"the address of an MLflow server must be http://HOST:PORT; received {redacted(uri)!r}")


def _file_stores_allowed() -> bool:
    return os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() in ("true", "1")
