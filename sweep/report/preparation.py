"""Loading of what a report is made with, which takes two seconds, while workers train and the driver waits."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from trainable.loading import meanwhile, uncollected

__all__ = ["report_prepared"]

_PERIOD = 0.5  # seconds between two looks at whether there is an evaluation


@contextmanager
def report_prepared(evaluated: Callable[[], bool]) -> Iterator[None]:
    """Load it in a thread while the context is open, so that the report is written soon after its end.

    evaluated: whether a training has been evaluated. Until then workers load libraries of their own, and have the
    machine to themselves.
    """
    ended = threading.Event()

    def load() -> None:
        with suppress(Exception):  # a ledger that cannot be read is told elsewhere
            while not (evaluated() or ended.wait(_PERIOD)):
                pass
        _load()

    with meanwhile(load):
        try:
            yield
        finally:
            ended.set()


def _load() -> None:
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    with uncollected(), suppress(Exception):  # whoever writes the report will meet it too, and tells
        import matplotlib.backends.backend_agg
        import matplotlib.backends.backend_svg
        import matplotlib.figure
        import matplotlib.font_manager  # noqa: F401
        import scipy.stats  # noqa: F401
