"""Loading of what a report is made with, which takes two seconds, while workers train and the driver waits."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["report_prepared"]

_LONGEST = 5.0  # seconds that the end of the context waits for it


@contextmanager
def report_prepared() -> Iterator[None]:
    """Load it in a thread for as long as the context is open, so that the report is written soon after its end."""
    loading = threading.Thread(target=_load, name="report", daemon=True)
    loading.start()
    try:
        yield
    finally:
        loading.join(_LONGEST)


def _load() -> None:
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    with suppress(Exception):  # whoever writes the report will meet it too, and tells
        import matplotlib.backends.backend_agg
        import matplotlib.backends.backend_svg
        import matplotlib.figure
        import matplotlib.font_manager  # noqa: F401
        import scipy.stats  # noqa: F401
