"""What is said of a driver that ends without a word of its own, as Ray ends it when Ray's processes have died."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["last_words"]

# It reads until its input ends. A line says that all is well; without one, the process that held the other end is gone.
_LISTENER = 'trap "" INT TERM HUP; IFS= read -r line || printf "%s\\n" "$1" >&2'


@contextmanager
def last_words(text: str) -> Iterator[None]:
    """Have `text` printed on standard error if this process ends within the block, other than by returning or raising:
    Ray's C++ ends a process at once when its GCS or its raylet has died, and so does a system without memory."""
    try:
        command = ["sh", "-c", _LISTENER, "sh", text]
        listener = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603
    except OSError:  # no shell, no words
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):
            listener.communicate(b"\n")
