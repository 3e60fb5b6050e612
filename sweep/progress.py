"""What a person sees while a sweep runs: a live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sweep.dispatch import Dispatcher, outcomes
from sweep.ledger import Ledger
from sweep.records import TrialRecord
from trainable.reports import Outcome

__all__ = ["Progress", "duration", "remaining_seconds"]


@dataclass(slots=True)
class Progress:
    """Shows a running sweep on `console`. `changed` may be called from any thread, and never raises."""

    console: Console
    _ledger: Ledger | None = None
    _started: float = 0.0
    _working_since: float | None = None  # the pace is counted from the first trial on, not from the start of Ray
    _done_before: float = 0.0
    _budgets: Mapping[str, int] = field(default_factory=dict)  # trials of each cell, in the order of the spec
    _said: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def showing(self, ledger: Ledger, dispatcher: Dispatcher) -> Iterator[None]:
        """Show the sweep for as long as the context is open."""
        self._ledger, self._started, self._working_since = ledger, time.monotonic(), None
        budget = dispatcher.spec.budget.trials_per_cell
        self._budgets = {cell.key: cell.trials(budget) for cell in dispatcher.cells}
        self._done_before = work_done(ledger.trials())
        self._said = {record.key for record in ledger.trials() if record.ended is not None}
        if not self.console.is_terminal:
            self.console.print(self._headline(), highlight=False)
            yield
            return
        with Live(get_renderable=self._table, console=self.console, refresh_per_second=2, transient=True):
            yield

    def changed(self, key: str) -> None:
        """A trial changed. Where nobody watches a table, its end is worth a line."""
        ledger = self._ledger
        self._working_since = self._working_since or time.monotonic()
        if ledger is None or self.console.is_terminal:
            return
        record = ledger.trial(key)
        with self._lock:
            news = record.ended is not None and record.outcome is not Outcome.INTERRUPTED and key not in self._said
            self._said.add(key) if news else None
        if news:
            self.console.print(self._line(record), highlight=False, soft_wrap=True)

    def _line(self, record: TrialRecord) -> str:
        score = "-" if record.score is None else f"{record.score:.3f}"
        reason = f"  ({record.reason})" if record.outcome in (Outcome.FAILED, Outcome.DIVERGED) else ""
        end = f"{record.cell} #{record.number}  {record.outcome}  score {score}{reason}"
        return f"{self._clock()}  {end}   {self._headline()}"

    def _headline(self) -> str:
        assert self._ledger is not None
        records = self._ledger.trials()
        ended = sum(record.ended is not None for record in records)
        total = sum(self._budgets.values())
        elapsed = time.monotonic() - (self._working_since or time.monotonic())
        left = remaining_seconds(work_done(records), self._done_before, total, elapsed)
        about = f", about {duration(left)} left" if left is not None else ""
        return f"{ended} of {total} trials{about}"

    def _clock(self) -> str:
        return duration(time.monotonic() - self._started)

    def _table(self) -> Group:
        assert self._ledger is not None
        records = self._ledger.trials()
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column("cell")
        for name in ("done", "pruned", "failed", "running", "left", "best"):
            table.add_column(name, justify="right")
        for key, budget in self._budgets.items():
            table.add_row(*_row(key, [record for record in records if record.cell == key], budget))
        headline = Text(f"{self._ledger.name}   {self._headline()}, {self._clock()} so far")
        return Group(headline, table, Text("Ctrl-C stops cleanly; the same command goes on later", style="dim"))


def _row(key: str, records: Sequence[TrialRecord], budget: int) -> tuple[str, ...]:
    counts = outcomes(records)
    completed = [record.score for record in records if record.outcome is Outcome.COMPLETED and record.score is not None]
    bad = counts.get(Outcome.FAILED, 0) + counts.get(Outcome.DIVERGED, 0)
    return (
        key,
        str(counts.get(Outcome.COMPLETED, 0)),
        str(counts.get(Outcome.PRUNED, 0)),
        str(bad),
        str(counts.get("running", 0)),
        str(max(0, budget - len(records))),
        f"{max(completed):.3f}" if completed else "-",
    )


def work_done(records: Sequence[TrialRecord]) -> float:
    """Work done in units of one full trial. An ended trial counts whole: what pruning saved will not be trained."""
    return sum(1.0 if record.ended is not None else _share(record) for record in records)


def _share(record: TrialRecord) -> float:
    return len(record.reports) / (record.config.replicates * record.config.evaluations)


def remaining_seconds(done: float, before: float, total: int, elapsed: float) -> float | None:
    """Seconds left at the pace of this run so far; None until there is a pace."""
    if done - before < 0.5 or elapsed <= 0:
        return None
    return (total - done) * elapsed / (done - before)


def duration(seconds: float) -> str:
    """As a person writes it: 0:42, 12:05, 3:07:00."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
