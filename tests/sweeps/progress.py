"""How far a sweep has come, seen from outside: the reports in its ledger, and when each became one more."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from tests.services.postgres_server import execute

__all__ = ["Timeline", "reports_in_journal", "reports_in_postgres"]

_PERIOD = 0.1  # seconds between two looks
_REPORT = re.compile(rb'"trial_id":(\d+),"user_attr":\{"((?:report|replicate)/\d+)"')


@dataclass(slots=True)
class Timeline:
    """How many reports there were when, and when the driver ended. count: how many there are. running: whether the
    driver runs."""

    count: Callable[[], int]
    running: Callable[[], bool]
    ended: float | None = None
    _points: list[tuple[float, int]] = field(default_factory=list)

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Look again and again for as long as the context is open."""
        over = threading.Event()
        follower = threading.Thread(target=self._follow, args=(over,), name="timeline", daemon=True)
        follower.start()
        try:
            yield
        finally:
            over.set()
            follower.join()

    def first(self, *, after: float, above: int) -> float | None:
        """When, after a time of the monotonic clock, there were first more than `above` reports."""
        return next((at for at, count in list(self._points) if at >= after and count > above), None)

    def _follow(self, over: threading.Event) -> None:
        while not over.wait(_PERIOD):
            self._points.append((time.monotonic(), self.count()))
            self.ended = None if self.running() else self.ended or time.monotonic()


def reports_in_journal(path: Path) -> Callable[[], int]:
    """Counts the different reports in a journal file, of trials and of confirmations. One that is torn is none. Only
    what was added since the last time is read, unless another file has come into its place."""
    known: set[tuple[bytes, ...]] = set()
    place, number = 0, -1
    lock = threading.Lock()

    def count() -> int:
        nonlocal place, number
        try:
            with lock, path.open("rb") as file:
                found = os.fstat(file.fileno())
                if found.st_ino != number or found.st_size < place:
                    known.clear()
                    place, number = 0, found.st_ino
                file.seek(place)
                content = file.read()
                whole = content.rfind(b"\n") + 1
                known.update(_REPORT.findall(content[:whole]))
                place += whole
                return len(known)
        except FileNotFoundError:
            return 0

    return count


def reports_in_postgres(url: str) -> Callable[[], int]:
    """The same for a database; while that does not answer, as many as when it last did."""
    statement = "SELECT count(*) FROM trial_user_attributes WHERE key LIKE 'report/%' OR key LIKE 'replicate/%'"
    last = 0

    def count() -> int:
        nonlocal last
        with suppress(SQLAlchemyError):  # it is down, or has no tables yet
            last = int(execute(url, statement))
        return last

    return count
