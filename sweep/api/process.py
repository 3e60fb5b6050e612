"""The process of somebody else's program, which is left as it was found."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["undisturbed"]

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


@contextmanager
def undisturbed() -> Iterator[None]:
    """Put back at the end what a sweep sets for Ray and MLflow: variables of the environment, levels of loggers. The
    program may use both libraries itself. Meanwhile, no library advises a notebook to install widgets."""
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
