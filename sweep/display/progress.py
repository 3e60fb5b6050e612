"""What a person sees while a sweep runs: a live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sweep.display.formats import counted, duration
from sweep.display.narrow import fitted
from sweep.ledger.ledger import Ledger
from sweep.records.confirmation import ConfirmationRecord, Role
from sweep.records.sweep import DataRecord
from sweep.records.trial import TrialRecord, outcomes
from sweep.scheduling.cell_costs import CellCost, cell_costs
from sweep.scheduling.dispatcher import Dispatcher, State
from sweep.verdict.tested_rows import confirmed_scores
from trainable.outcomes import Outcome

__all__ = ["NoProgress", "Progress", "remaining_seconds"]


@dataclass(frozen=True, slots=True)
class _Share:
    """The cost of a full trial of a cell, and of one training of its winner, beside that of other cells."""

    trial: float
    confirmation: float


class NoProgress:
    """Shows nothing."""

    def showing(self, ledger: Ledger, dispatcher: Dispatcher) -> AbstractContextManager[None]:
        return nullcontext()

    def changed(self, key: str) -> None:
        pass

    def told(self, said: str) -> None:
        pass


@dataclass(slots=True)
class Progress:
    """Shows a running sweep on `console`. `changed` may be called from any thread, and never raises.

    resumes: how a person resumes the sweep.
    """

    console: Console
    resumes: str = "the same command resumes it"
    _ledger: Ledger | None = None
    _dispatcher: Dispatcher | None = None
    _started: float = 0.0
    _working_since: float | None = None  # the pace is counted from the first work on, when Ray and workers have begun
    _done_before: float = 0.0
    _shares: Mapping[str, _Share] = field(default_factory=dict)
    _said: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def showing(self, ledger: Ledger, dispatcher: Dispatcher) -> Iterator[None]:
        """Show the sweep for as long as the context is open."""
        self.watch(ledger, dispatcher)
        if not self.console.is_terminal:
            self.console.print(self.headline(), highlight=False)
            yield
            return
        with Live(get_renderable=self.table, console=self.console, refresh_per_second=2, transient=True):
            yield

    def watch(self, ledger: Ledger, dispatcher: Dispatcher) -> None:
        """Begin with the state that a run finds."""
        self._ledger, self._dispatcher = ledger, dispatcher
        self._started, self._working_since = time.monotonic(), None
        self._shares = _shares(cell_costs(dispatcher.cells, ledger.sweep().data))
        self._done_before = self._work_done()
        self._said = {each.key for each in ledger.trials() if each.is_over}
        self._said |= {each.key for each in ledger.confirmations() if each.is_over}

    def changed(self, key: str) -> None:
        """A trial or confirmation changed. Where nobody watches a table, its end is worth a line."""
        ledger = self._ledger
        if ledger is None:
            return
        if self._working_since is None and (done := self._work_done()) > self._done_before:
            self._working_since, self._done_before = time.monotonic(), done
        if self.console.is_terminal:
            return
        record = ledger.get(key)
        with self._lock:
            news = record.is_over and key not in self._said
            self._said.add(key) if news else None
        if news:
            self.console.print(self._line(record), highlight=False, soft_wrap=True)

    def told(self, said: str) -> None:
        """What is done with the winners, when the table is gone."""
        self.console.print(f"{'refit':<11}{said}", highlight=False, soft_wrap=True)

    def _line(self, record: TrialRecord | ConfirmationRecord) -> str:
        assert self._ledger is not None
        data = self._ledger.sweep().data.get(record.config.dataset.name)
        return f"{self._clock()}  {_end(record, data)}   {self.headline()}"

    def headline(self) -> str:
        """How far the sweep is, in a line."""
        assert self._ledger is not None
        ended = sum(each.is_over for each in self._ledger.trials())
        trials = sum(self._budgets().values())
        done, wanted = sum(self._confirmed().values()), sum(map(self._wanted, self._budgets()))
        elapsed = time.monotonic() - (self._working_since or time.monotonic())
        left = remaining_seconds(self._work_done(), self._done_before, self._work(), elapsed)
        about = f", about {duration(left)} left" if left is not None else self._beginning()
        confirmed = f", {done} of {wanted} confirmation trainings" if wanted else ""
        return f"{ended} of {trials} trials{confirmed}{about}"

    def _beginning(self) -> str:
        """Why nothing moves at first: nothing where something has moved, or where nothing is left to do."""
        waits = self._working_since is None and self._work_done() < self._work()
        return "; workers load torch and the encoder, then train" if waits else ""

    def _budgets(self) -> Mapping[str, int]:
        """Trials of each cell, in the order of the spec; as many as it has where the budget was larger before."""
        dispatcher, ledger = self._dispatcher, self._ledger
        if dispatcher is None or ledger is None:
            return {}
        had = Counter(each.cell for each in ledger.trials())
        return {cell.key: max(dispatcher.trials(cell), had[cell.key]) for cell in dispatcher.cells}

    def _confirmed(self) -> Mapping[str, int]:
        return self._dispatcher.confirmer.done() if self._dispatcher is not None else {}

    def _wanted(self, cell: str) -> int:
        """Trainings of the winner of a cell, as far as they are known to be needed."""
        return self._dispatcher.confirmer.wanted(cell) if self._dispatcher is not None else 0

    def _work(self) -> float:
        """All work of the sweep, in units of one full trial of the average cell."""
        return sum(
            self._shares[key].trial * count + self._shares[key].confirmation * self._wanted(key)
            for key, count in self._budgets().items()
        )

    def _work_done(self) -> float:
        assert self._ledger is not None
        known = [(self._shares[each.cell], each) for each in self._ledger.trials() if each.cell in self._shares]
        confirmed = sum(self._shares[key].confirmation * count for key, count in self._confirmed().items())
        return sum(share.trial * work_done(record) for share, record in known) + confirmed

    def _clock(self) -> str:
        return duration(time.monotonic() - self._started)

    def table(self) -> Group:
        """How far each cell is."""
        assert self._ledger is not None
        records = self._ledger.trials()
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column("cell", no_wrap=True)
        confirmed, tests = self._confirmed(), self._dispatcher is not None and self._dispatcher.spec.confirm.draws > 0
        for name in ("done", "pruned", "failed", "running", "left", "best", *(["confirmed"] if tests else [])):
            table.add_column(name, justify="right")
        for key, budget in self._budgets().items():
            tested = [f"{confirmed.get(key, 0)}/{self._wanted(key)}"] if tests else []
            table.add_row(*_row(key, [record for record in records if record.cell == key], budget), *tested)
        headline = Text(f"{self._ledger.name}   {self.headline()}, {self._clock()} so far")
        draining = self._dispatcher is not None and self._dispatcher.state is State.DRAINING
        hint = "stopping when the replicates that run have ended" if draining else "Ctrl-C stops cleanly"
        return Group(headline, fitted(table, self.console), Text(f"{hint}; {self.resumes}", style="dim"))


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
        str(max(0, budget - sum(each.is_over or each.ended is None for each in records))),
        f"{max(completed):.3f}" if completed else "-",
    )


def _end(record: TrialRecord | ConfirmationRecord, data: DataRecord | None) -> str:
    """How a record ended, on one line; its test score as the verdict has it."""
    if isinstance(record, ConfirmationRecord):
        scores = confirmed_scores(data, record)
        test = f"  test {sum(scores) / len(scores):.3f}" if scores and record.role is Role.CONFIRMATION else ""
        return f"{record.cell} #{record.trial}  {record.role} of {counted(len(record.replicates), 'training')}{test}"
    score = "-" if record.score is None else f"{record.score:.3f}"
    reason = f"  ({record.reason})" if record.outcome in (Outcome.FAILED, Outcome.DIVERGED) else ""
    return f"{record.cell} #{record.number}  {record.outcome}  score {score}{reason}"


def work_done(record: TrialRecord) -> float:
    """The share of a trial that is done. An ended one counts whole: what pruning saved will not be trained."""
    if record.is_over:
        return 1.0
    return len(record.evaluations) / (record.config.replicates * record.config.evaluations)


def _shares(costs: Mapping[str, CellCost]) -> Mapping[str, _Share]:
    """The costs of each cell in units of the average cell's trial."""
    mean = sum(cost.trial for cost in costs.values()) / max(1, len(costs))
    return {key: _Share(cost.trial / mean, cost.confirmation / mean) for key, cost in costs.items()}


def remaining_seconds(done: float, before: float, total: float, elapsed: float) -> float | None:
    """Seconds left at the pace of this run so far; None until there is a pace."""
    if done - before < 0.5 or elapsed <= 0:
        return None
    return (total - done) * elapsed / (done - before)
