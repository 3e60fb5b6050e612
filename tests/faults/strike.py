"""The moment at which a fault struck, and what there was by then."""

from __future__ import annotations

from dataclasses import dataclass

from sweep.records.results import SweepResults

__all__ = ["Strike"]


@dataclass(slots=True)
class Strike:
    """time: seconds of the monotonic clock. progress: reports in the ledger
    by then. before: what the ledger held; None if there was none, or if it was deleted since. sessions: commands that
    had been started. upgrade: a library and the version that trains from then on, if it is another one. recovery:
    seconds to the next report or to the end; None if another fault came earlier."""

    fault: str
    time: float
    progress: int
    before: SweepResults | None
    sessions: int
    upgrade: str = ""
    recovery: float | None = None
