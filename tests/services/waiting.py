"""Waiting for what other threads and processes do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

__all__ = ["TIME_LIMIT", "wait_until"]

# Seconds after which what is waited for counts as never coming. Tests time nothing: two cores that are shared with
# others take ten times what idle ones do, and only what hangs waits to the end.
TIME_LIMIT = 900.0


def wait_until(
    condition: Callable[[], Any], seconds: float = TIME_LIMIT, what: str = "it happened", *, period: float = 0.05
) -> None:
    """Ask every `period` seconds until it is true. Raises AssertionError, which says what has not come about in so many
    seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s without success until {what}"
        time.sleep(period)
