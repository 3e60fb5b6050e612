"""Ctrl-C and SIGTERM end a command as KeyboardInterrupt, and none of them is lost."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["INTERRUPTED", "interruptible"]

INTERRUPTED = 130
"""The exit code after Ctrl-C."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SOON = 0.05  # seconds: the destructor is left by then, or the next attempt finds it left


@contextmanager
def interruptible(*, closed: bool = False) -> Iterator[None]:
    """Within the block, either signal raises KeyboardInterrupt in the main thread, where a shell told a job to ignore
    Ctrl-C too. One that arrives while a destructor runs, where Python prints what is raised and forgets it, is sent
    again.

    closed: whether the end of the terminal does so too, unless `nohup` told that it shall not."""
    heard = [*_SIGNALS]
    if closed and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        heard.append(signal.SIGHUP)
    handlers = [signal.signal(number, signal.default_int_handler) for number in heard]
    hook = sys.unraisablehook

    def remember(unraisable: Any) -> None:
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            _send_soon()
        else:
            hook(unraisable)

    sys.unraisablehook = remember
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in zip(heard, handlers, strict=True):
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _send_soon() -> None:
    """Send the main thread a signal from another thread: within the hook it would be lost once more."""
    main = threading.main_thread().ident
    assert main is not None, "the main thread runs"
    timer = threading.Timer(_SOON, signal.pthread_kill, (main, signal.SIGINT))
    timer.daemon = True
    timer.start()
