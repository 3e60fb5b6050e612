"""Ray that belongs to one sweep: closed to the network, and to other people on the machine."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

__all__ = ["logs_folder", "private_ray"]

# Its name tells of other systems; what it does anywhere is that all of Ray's ports are opened on the loopback alone
# (`_node_ip_address="127.0.0.1"` does not do that: Ray resolves it to the machine's own).
_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
_SETTINGS = {
    # Seconds for which a process waits for a head that has died. On this machine nobody would start it anew.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
    # No worker for each CPU at the start: trials have an environment of their own, and would leave them all idle.
    "RAY_prestart_worker_first_driver": "0",
}
_LEAN: dict[str, Any] = {
    # The agent of every Ray on a machine wants port 52365 unless it is told otherwise; the second one would try for
    # seconds before it does without, and would hold up its sweep.
    "dashboard_agent_listen_port": 0,
    # Two processes less: nobody reads what workers print, which lies in files, and one machine does not grow.
    "include_log_monitor": False,
    "no_monitor": True,
}
_TOKENS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


def logs_folder() -> Path:
    """Where Ray, started on this machine, writes its logs: in the folder that RAY_TMPDIR names, or else TMPDIR."""
    return Path(os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp", "ray/session_latest/logs")  # noqa: S108


@contextmanager
def private_ray() -> Iterator[None]:
    """Prepare this process for a Ray of its own, before it is started: ports on the loopback, and a token in a folder
    that nobody else can read, and that is gone afterwards. Ray's own token would stay in HOME, readable by everybody.

    What the user has set stays.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    with _loopback(), _own_token(), _lean():
        yield


@contextmanager
def _loopback() -> Iterator[None]:
    """Ray reads the variable at its import, which may have been long ago in a program that uses Ray too."""
    if _LOOPBACK in os.environ:
        yield
        return
    os.environ[_LOOPBACK] = "0"  # for the processes that Ray starts
    from ray._private import ray_constants

    before, ray_constants.ENABLE_RAY_CLUSTER = ray_constants.ENABLE_RAY_CLUSTER, False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
        del os.environ[_LOOPBACK]


@contextmanager
def _lean() -> Iterator[None]:
    """What `ray.init` has no argument for: fewer processes. The server of a dashboard is started, and waited for, where
    no dashboard is wanted too, to report to Ray's makers how Ray is used. The agent, which cannot be left out, serves
    HTTP for it unless the dashboard's libraries are missing."""
    from ray._private import parameter, services, utils

    before, serve, missing = parameter.RayParams, services.start_api_server, utils.get_dashboard_dependency_error
    parameter.RayParams = partial(before, **_LEAN)  # type: ignore[misc,assignment]
    services.start_api_server = _no_server
    utils.get_dashboard_dependency_error = _no_dashboard
    try:
        yield
    finally:
        parameter.RayParams = before  # type: ignore[misc]
        services.start_api_server = serve
        utils.get_dashboard_dependency_error = missing


def _no_server(include_dashboard: bool | None, *_: Any, **__: Any) -> tuple[str, None]:
    """No address and no process, where `ray.init` would have started the server of a dashboard."""
    assert not include_dashboard, "private Ray has no dashboard"
    return "", None


def _no_dashboard() -> ImportError:
    """What Ray finds in an installation without the libraries of its dashboard; it takes a moment to load them."""
    return ImportError("private Ray has no dashboard")


@contextmanager
def _own_token() -> Iterator[None]:
    if any(name in os.environ for name in _TOKENS):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="sweep-ray-") as folder:  # mode 0700
        token = Path(folder) / "auth_token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32), encoding="ascii")
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)
        _forget_token()
        try:
            yield
        finally:
            del os.environ["RAY_AUTH_TOKEN_PATH"]
            _forget_token()


def _forget_token() -> None:
    """Ray keeps what it has read, and each Ray that this process starts or joins has another token."""
    from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]  # compiled

    AuthenticationTokenLoader.instance().reset_cache()
