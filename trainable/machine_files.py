"""Files that all processes of a machine share: where they lie, and how one process writes them while others wait."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["locked", "shared_folder"]


def shared_folder(name: str) -> Path:
    """Return the folder of this name beside the cache of the Hugging Face hub, which a person puts on a large and fast
    disk (HF_HOME). It need not exist yet, and may be deleted at any time."""
    from huggingface_hub.constants import HF_HOME

    return Path(HF_HOME) / "few-shot-sweep" / name


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which is created, against other processes of this machine; wait until it is free.

    Raises OSError where the file cannot be written.
    """
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
