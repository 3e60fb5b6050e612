"""A dispatcher of the small sweep of `tests.sweeps.grid`, on a ledger of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sweep.ledger.ledger import Ledger
from sweep.ledger.storage import open_storage
from sweep.scheduling.dispatcher import Dispatcher
from tests.sweeps.grid import grid, spec

__all__ = ["dispatcher"]


def dispatcher(folder: Path, slots: int = 2, clock: Callable[[], float] = time.monotonic, **changes: Any) -> Dispatcher:
    """A started dispatcher, whose journal lies in `folder`: made there again, it resumes the sweep.

    changes: of the spec.
    """
    folder.mkdir(exist_ok=True)
    ledger = Ledger(open_storage(folder / "journal", write=True), "small")
    ledger.begin(spec(**changes).resolved(), grid(**changes), {})
    made = Dispatcher(ledger, spec(**changes), grid(**changes), slots, changed=lambda key: None, clock=clock)
    made.start()
    return made
