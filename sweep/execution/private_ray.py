"""Ray that belongs to one sweep: closed to the network, and to other people on the machine."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

__all__ = ["private_ray"]

# Read by Ray at its import. Its name tells of other systems; what it does anywhere is that all of Ray's ports are
# opened on the loopback alone (`_node_ip_address="127.0.0.1"` does not do that: Ray resolves it to the machine's own).
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
# Seconds for which a process waits for a head that has died. On this machine nobody would start it anew.
_DEATH = {"RAY_gcs_rpc_server_reconnect_timeout_s": "10"}
_TOKENS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


@contextmanager
def private_ray() -> Iterator[None]:
    """Prepare this process for a Ray of its own, before Ray is imported: ports on the loopback, and a token in a folder
    that nobody else can read, and that is gone afterwards. Ray's own token would stay in HOME, readable by everybody.

    What the user has set stays.
    """
    for name, value in (_LOOPBACK | _DEATH).items():
        os.environ.setdefault(name, value)
    if any(name in os.environ for name in _TOKENS):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="sweep-ray-") as folder:  # mode 0700
        token = Path(folder) / "auth_token"
        token.touch(mode=0o600)
        token.write_text(_token(), encoding="ascii")
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)
        try:
            yield
        finally:
            del os.environ["RAY_AUTH_TOKEN_PATH"]


@cache
def _token() -> str:
    """One for all that this process starts, since Ray keeps what it has read."""
    return secrets.token_hex(32)
