"""What processes were started with, looked at while they come and go."""

from __future__ import annotations

from collections.abc import Sequence

import psutil  # type: ignore[import-untyped]

__all__ = ["is_worker", "words"]


def words(process: psutil.Process) -> Sequence[str]:
    """Those of a process's command line; none of one that has ended, buried or not."""
    try:
        return tuple(process.cmdline())
    except psutil.Error:
        return ()


def is_worker(process: psutil.Process) -> bool:
    """Whether it is one of Ray's processes that train: it bears its class, and what it does, as its title."""
    return "ray::Worker" in " ".join(words(process))
