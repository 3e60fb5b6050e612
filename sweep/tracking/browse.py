"""The MLflow pages of a store, opened as `mlflow ui` opens them."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress

from rich.console import Console

from sweep.addresses import redacted
from sweep.errors import TrackingError

__all__ = ["browse"]


def browse(uri: str, port: int, console: Console) -> int:
    """Serve the store at `uri` on this machine's loopback until Ctrl-C, or print the address of its own server.

    Returns the exit code. Raises TrackingError if the server does not start.
    """
    if uri.startswith(("http:", "https:")):
        console.print(f"MLflow has a server of its own: {redacted(uri)}", soft_wrap=True)
        return 0
    console.print(f"MLflow: http://127.0.0.1:{port} (until Ctrl-C)", soft_wrap=True)
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    # An address may hold a password, which must not appear on a command line.
    environment = {**os.environ, "MLFLOW_BACKEND_STORE_URI": uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
    code = 0
    with suppress(KeyboardInterrupt):
        code = subprocess.run(command, env=environment, check=False).returncode  # noqa: S603  # our own program, no shell
    if code > 0:
        raise TrackingError(
            f"MLflow's server must start at 127.0.0.1:{port}; it ended with code {code}; give a free --port, or see "
            "what it says above"
        )
    return 0
