"""Loading of large libraries: without the garbage collector's passes, and while this process waits for others."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager

__all__ = ["load_training_libraries", "meanwhile", "uncollected"]

_LONGEST = 1.0  # seconds that an error of the block, such as Ctrl-C, waits for what is being loaded


@contextmanager
def uncollected() -> Iterator[None]:
    """Load within the block without passes of the garbage collector: what a library makes at its import stays, and to
    look through all of it again and again is a sixth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def load_training_libraries() -> None:
    """Load torch and the models of transformers, seconds of work in a new process, unless they are loaded."""
    with uncollected():
        import torch  # noqa: F401
        import transformers.modeling_layers
        import transformers.models.auto.modeling_auto  # noqa: F401


@contextmanager
def meanwhile(*loads: Callable[[], object]) -> Iterator[None]:
    """Load in a thread, one after the other, while the block waits for other processes, so that what comes after it
    finds it loaded. Raises what a load raises, after the block.

    The block itself must import nothing large: two threads that load at once can wait for each other.
    """
    loaded: Future[None] = Future()
    wanted = True

    def work() -> None:
        try:
            for load in loads:
                if wanted:
                    load()
        except BaseException as error:
            loaded.set_exception(error)
        else:
            loaded.set_result(None)

    threading.Thread(target=work, name="loading", daemon=True).start()
    try:
        yield
    except BaseException:
        wanted = False
        wait([loaded], _LONGEST)
        raise
    loaded.result()
