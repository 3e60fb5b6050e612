"""Sessions of processes that end when the tests are killed, whose own endings do not run then."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["kill_on_exit"]

# The end of its input is that of the tests.
_WATCH = 'while read -r each; do leaders="$leaders $each"; done; for each in $leaders; do pkill -KILL -s "$each"; done'


@contextmanager
def kill_on_exit() -> Iterator[Callable[[int], None]]:
    """What takes the leaders of sessions. If the tests are killed while the context is open, so are those sessions."""
    command = ["sh", "-c", _WATCH]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, text=True, bufsize=1) as watcher:
        assert watcher.stdin is not None
        stream = watcher.stdin
        try:
            yield lambda leader: print(leader, file=stream, flush=True)
        finally:
            watcher.kill()
