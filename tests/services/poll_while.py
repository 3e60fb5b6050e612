"""Looking at something again and again while something else runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["poll_while"]


@contextmanager
def poll_while(look: Callable[[], None], period: float) -> Iterator[None]:
    """Call `look` in a thread, every `period` seconds, while the block runs."""
    stopped = threading.Event()

    def work() -> None:
        while not stopped.wait(period):
            look()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
