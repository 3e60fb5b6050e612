"""Waiting for what other threads and processes do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

__all__ = ["wait_until"]


def wait_until(
    condition: Callable[[], Any], seconds: float = 90, what: str = "it happened", *, period: float = 0.05
) -> None:
    """Ask every `period` seconds until it is true. Raises AssertionError, which says what has not come about in so many
    seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:g} s without success until {what}"
        time.sleep(period)
