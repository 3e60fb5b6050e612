"""The MLflow pages of a store, opened as `mlflow ui` opens them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

from rich.console import Console

from sweep.addresses import redacted
from sweep.errors import TrackingError
from sweep.tracking.pages import experiment_pages
from sweep.tracking.store import explain, open_client

__all__ = ["browse"]

_GRACE = 10.0  # seconds
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight processes of 240 MB each, which no sweep uses
}


def browse(uri: str, port: int, console: Console) -> int:
    """Serve the store at `uri` on this machine's loopback until KeyboardInterrupt, or print where it has a server.

    Returns the exit code. Raises TrackingError if the port is taken, the store cannot be opened, or the server ends.
    """
    if uri.startswith(("http:", "https:")):
        console.print(f"MLflow has a server of its own: {redacted(uri)}", soft_wrap=True)
        return 0
    _check_free(port)
    pages = _pages(uri)
    console.print(f"MLflow: http://127.0.0.1:{port} (until Ctrl-C)", soft_wrap=True)
    for name, page in pages:
        console.print(f"  {name}: http://127.0.0.1:{port}{page}", markup=False, soft_wrap=True)
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    # An address may hold a password, which must not appear on a command line.
    environment = {**_ENVIRONMENT, **os.environ, "MLFLOW_BACKEND_STORE_URI": uri}
    # Ctrl-C in a terminal is not for the server: it hands on what its worker has heard already, which then takes it for
    # a second one, and ends in a traceback.
    with subprocess.Popen(command, env=environment, start_new_session=True) as server:  # noqa: S603  # our own program
        try:
            code = server.wait()
        except KeyboardInterrupt:
            _end(server)
            return 0
    _check_free(port)  # another program may have been faster
    raise TrackingError(
        f"MLflow's server must run at 127.0.0.1:{port} until Ctrl-C; it ended by itself with code {code}; see what it "
        "says above, or give another --port"
    )


def _end(server: subprocess.Popen[bytes]) -> None:
    """Tell the server to end, and end it with its worker if it does not, or if it is to end at once."""
    server.terminate()
    try:
        server.wait(_GRACE)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        os.killpg(server.pid, signal.SIGKILL)


def _check_free(port: int) -> None:
    """Raise TrackingError if nobody can listen there: MLflow's server would end with code 0."""
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server: what was closed is free
            probe.bind(("127.0.0.1", port))
    except OSError as error:
        raise TrackingError(
            f"MLflow's pages need a free port; 127.0.0.1:{port} is not ({error.strerror}); give another one with "
            "--port, or open the pages that are served there already"
        ) from error


def _pages(uri: str) -> list[tuple[str, str]]:
    """Name and address of the experiments in the store. Raises TrackingError if it cannot be opened."""
    try:
        return list(experiment_pages(open_client(uri)))
    except Exception as error:  # whatever MLflow or its database raise
        raise TrackingError(explain(error, uri)) from error
