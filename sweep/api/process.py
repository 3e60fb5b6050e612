"""The process of somebody else's program, which is left as it was found."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

__all__ = ["alone", "undisturbed"]

# Loggers of libraries that a sweep makes silent, since it tells of their problems itself.
_SILENCED = (
    "mlflow",
    "alembic",
    "urllib3.connectionpool",
    "ray",
    "ray.widgets",
    "ray.tune",
    "ray.train",
    "ray.data",
    "matplotlib",
)


_sweep = threading.Lock()
_guard = threading.Lock()  # of the two that follow
_calls: list[threading.Thread] = []
_found = ExitStack()


@contextmanager
def alone(waiting: Callable[[], None]) -> Iterator[None]:
    """Let one sweep of this process run at a time: Ray that one of them has started ends with it, and would take the
    program along in which another one still uses it. waiting: called where another one runs."""
    if not _sweep.acquire(blocking=False):
        waiting()
        _sweep.acquire()
    try:
        yield
    finally:
        _sweep.release()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Put back at the end what a sweep sets for Ray and MLflow: variables of the environment, levels of loggers. The
    program may use both libraries itself. Meanwhile, no library advises a notebook to install widgets.

    Calls may overlap in several threads: what the first one has found is put back after the last one.
    """
    with _guard:
        if not _calls:
            _found.enter_context(_as_found())
        _calls.append(threading.current_thread())
    try:
        yield
    finally:
        with _guard:
            _calls.remove(threading.current_thread())
            if not _calls:
                _found.close()


@contextmanager
def _as_found() -> Iterator[None]:
    variables = dict(os.environ)
    levels = {name: logging.getLogger(name).level for name in _SILENCED}
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="IProgress not found")
            yield
    finally:
        for name in os.environ.keys() - variables.keys():
            del os.environ[name]
        os.environ.update(variables)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
