"""Which trial runs next, and what follows from its evaluations: the sweep's logic, without Ray.

Contract with the Ray adapters: `next` and `record` are called from one thread (Tune's loop), return within
milliseconds, and raise only for bugs of our own, since an exception in a Tune callback ends the whole sweep.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sweep.errors import LedgerError
from sweep.ledger.ledger import Ledger
from sweep.records.searches import is_given_up, is_on_target
from sweep.records.trial import TrialRecord
from sweep.scheduling.assignment import MAX_CRASHES, MAX_STALLS, Assignment
from sweep.scheduling.budget import Meter
from sweep.scheduling.cell_costs import CellCost, cell_costs
from sweep.scheduling.confirmer import Confirmer
from sweep.search.pruning import pruner
from sweep.spec.cells import Cell
from sweep.spec.groups import groups
from sweep.spec.model import SweepSpec
from sweep.verdict.comparisons import planned_tests
from sweep.verdict.worthwhile import enough
from trainable.outcomes import Evaluation, Outcome

__all__ = ["Dispatcher", "State"]


class State(StrEnum):
    """Whether a dispatcher hands out work, and what becomes of the work that it has handed out."""

    RUNNING = "running"
    DRAINING = "draining"  # the replicates that run come to their ends, and no others begin
    STOPPED = "stopped"  # everything ends as soon as possible


@dataclass(slots=True)
class _Attempt:
    """Work that was handed out. heard: when that was, or when it last reported. spent: seconds, as reported, of the
    replicate that it trains."""

    heard: float
    spent: float = 0.0


@dataclass(slots=True)
class Dispatcher:
    """Hands out trials until every cell has its budget and its winner is confirmed, and records what comes back.

    Interrupted trials go first, then the confirmations of cells whose search has ended. Then the cell with the least
    progress gets a new trial; among equals the one with the longest trials, so that no long trial is left for the end.
    A cell whose trials keep failing, one that is good enough, or one whose search is no longer worthwhile gets no more.
    `changed` is called with the key of each trial, and of each confirmation, that changed.

    state: whether it hands out work. fault: why the ledger could not be written, after which the sweep must stop.
    """

    ledger: Ledger
    spec: SweepSpec
    cells: Sequence[Cell]
    slots: int
    changed: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    state: State = field(default=State.RUNNING, init=False)
    fault: LedgerError | None = field(default=None, init=False)
    running: set[str] = field(default_factory=set)
    confirmer: Confirmer = field(init=False)
    meter: Meter = field(init=False)
    _waiting: list[str] = field(default_factory=list)
    _asked: dict[str, int] = field(default_factory=dict)
    _costs: Mapping[str, CellCost] = field(default_factory=dict)
    _attempts: dict[str, _Attempt] = field(default_factory=dict)  # the last one on each key, by this process
    _closed: set[str] = field(default_factory=set)  # cells that are good enough or given up

    def __post_init__(self) -> None:
        self.confirmer = Confirmer(self.ledger, self.spec)
        self.meter = Meter(self.spec.budget, self.clock)

    def start(self) -> None:
        """Find out what the ledger already holds. Call once, before anything else."""
        records = self.ledger.trials()
        self._costs = cell_costs(self.cells, self.ledger.sweep().data)
        self._asked = {cell.key: sum(record.cell == cell.key for record in records) for cell in self.cells}
        self._waiting = [record.key for record in records if not record.is_over and not self._settled(record)]
        self._lay_aside("the driver ended before it")
        self.meter.start(self.ledger.trials(), self.ledger.confirmations())
        for cell in self.cells:
            self._consider(cell.key)

    def join(self, slots: int, gpus: float) -> None:
        """Hand out work for the trials that a cluster holds at once, each of which takes so many GPUs."""
        self.slots, self.meter.gpus = slots, gpus

    def drain(self) -> None:
        """Let the replicates that run come to their ends, and begin no others. May be called from any thread."""
        if self.state is State.RUNNING:
            self.state = State.DRAINING

    def stop(self) -> None:
        """End everything as soon as possible. May be called from any thread."""
        self.state = State.STOPPED

    def fail(self, error: LedgerError) -> None:
        """The ledger cannot be written: stop, since what is not on record must not be built upon."""
        self.fault = error
        self.stop()

    @property
    def ending(self) -> bool:
        """Whether nothing more is to begin, whatever is left: the sweep was told to end, or a limit is reached."""
        return self.state is not State.RUNNING or self.meter.limit is not None

    @property
    def exhausted(self) -> bool:
        """Whether no trial will ever be handed out again. Running ones may still be lost, and then handed out anew."""
        if self.ending:
            return True
        return not (self._waiting or self.running or self._open_cells() or self.confirmer.waiting)

    @property
    def unfinished(self) -> bool:
        """Whether trials of the budget, or replicates of a confirmation, are still to be handed out."""
        return bool(self._waiting or self._open_cells() or self.confirmer.waiting)

    def trials(self, cell: Cell) -> int:
        """How many trials the cell will have when its search has ended, as far as that is known."""
        return self._asked[cell.key] if cell.key in self._closed else cell.trials(self.spec.budget.trials_per_cell)

    def next(self) -> Assignment | None:
        """The next trial to run, or None if there is none at the moment."""
        if self.ending or len(self.running) >= self.slots:
            return None
        assignment = self._next_assignment()
        if assignment is not None:
            self.running.add(assignment.key)
            self._attempts[assignment.key] = _Attempt(heard=self.clock())
            self.changed(assignment.record)
        return assignment

    def record(self, key: str, evaluation: Evaluation) -> bool:
        """Record an evaluation. Returns whether the assignment ends with it."""
        if self.confirmer.owns(key):
            self.running.discard(key)
            self.meter.count(evaluation, last=evaluation.point)
            self.changed(self.confirmer.record(key, evaluation))
            return True
        record = self.ledger.record(key, evaluation)
        self.meter.count(evaluation, last=record.config.evaluations)
        spent = 0.0 if evaluation.point == record.config.evaluations else self._attempts[key].spent + evaluation.seconds
        self._attempts[key] = _Attempt(heard=self.clock(), spent=spent)
        outcome, reason = self._judge(record, evaluation)
        if outcome is not None:
            self._end(key, outcome, reason, evaluation.detail)
        self.changed(key)
        return outcome is not None

    def worker_lost(
        self, key: str, reason: str, detail: str = "", *, stalled: bool = False, running: float = math.inf
    ) -> None:
        """The worker of an assignment died or was interrupted. The assignment is handed out again, unless the same has
        happened MAX_CRASHES times, or MAX_STALLS times if it `stalled`, without an evaluation in between.

        running: seconds since the worker began with it, where that is known.
        """
        if key not in self.running:
            return
        seconds = min(running, self.clock() - self._attempts[key].heard)
        self.meter.lose(seconds)
        if self.confirmer.owns(key):
            self.running.discard(key)
            lost, ended = self.confirmer.worker_lost(key, reason, detail, stalled=stalled, seconds=seconds)
            if ended is not None:
                self.meter.count(ended, last=ended.point)
            self.changed(lost)
            return
        times = self.ledger.count_crash(key, stalled=stalled)
        if times >= (MAX_STALLS if stalled else MAX_CRASHES):
            self._end(key, Outcome.FAILED, f"{reason} ({times} times in a row)", detail or reason, unreported=seconds)
        else:
            self._end(key, Outcome.INTERRUPTED, reason, unreported=seconds)
            self._waiting.append(key)
        self.changed(key)

    def withdraw(self, key: str) -> None:
        """Take back an assignment that no worker has begun; a later run hands it out again."""
        if key not in self.running:
            return
        if self.confirmer.owns(key):
            self.running.discard(key)
            self.confirmer.withdraw(key)
            return
        limit = self.meter.limit
        self._end(key, Outcome.INTERRUPTED, "the sweep was stopped" if limit is None else f"{limit} is used up")
        self.changed(key)

    def interrupt(self, reason: str) -> None:
        """Close what is still running; the next run of the sweep takes it up again."""
        self.stop()
        trials = sorted(key for key in self.running if not self.confirmer.owns(key))
        self.running.clear()
        for key in self.confirmer.interrupt(reason):
            self.changed(key)
        for key in trials:
            self._end(key, Outcome.INTERRUPTED, reason)
            self.changed(key)
        for key in self._lay_aside(reason):  # where `start` was not reached
            self.changed(key)

    def _lay_aside(self, reason: str) -> list[str]:
        """Close the trials that an earlier process left open, and that have not been handed out since; their keys.
        Those that `sync` has closed are among them where their work is not on record as lost."""
        trials = [each for each in self.ledger.trials() if each.key not in self.running]
        left = [each.key for each in trials if each.outcome is None or (not each.is_over and each.lost_seconds)]
        for key in left:
            self._end(key, Outcome.INTERRUPTED, reason)
        return left

    def _settled(self, record: TrialRecord) -> bool:
        """Whether the last evaluation ends the trial, which a process that died between the two could not record."""
        if not record.evaluations:
            return False
        last = record.evaluations[-1].evaluation
        outcome, reason = self._judge(record, last)
        if outcome is not None:
            self._end(record.key, outcome, reason, last.detail)
        return outcome is not None

    def _consider(self, cell: str) -> None:
        """Trials of a cell have ended: close it if that is enough, and confirm its winner if its search has ended."""
        trials, budget = self.ledger.trials_of(cell), self.spec.budget
        if (
            is_on_target(trials, budget.target_score)
            or is_given_up(trials, budget.failures)
            or self._is_enough(cell, trials)
        ):
            self._closed.add(cell)
        if self._searched(cell) and all(record.is_over for record in reversed(trials)):  # what runs was asked for last
            self.confirmer.consider(cell, trials)

    def _is_enough(self, key: str, trials: Sequence[TrialRecord]) -> bool:
        """Whether the spec ends searches that are no longer worthwhile, and this one is not."""
        if self.spec.budget.stop == "never":
            return False
        planned = next(cell.trials(self.spec.budget.trials_per_cell) for cell in self.cells if cell.key == key)
        return enough(trials, planned, self.spec.confirm.draws, planned_tests(groups(self.spec))) is not None

    def _searched(self, key: str) -> bool:
        return all(cell.key != key for cell in self._open_cells())

    def _next_assignment(self) -> Assignment | None:
        if not self._waiting and self.confirmer.waiting:
            return self.confirmer.next()
        record = self._next_record()
        if record is None:
            return None
        return Assignment(record=record.key, config=record.config, first=len(record.replicate_scores))

    def _next_record(self) -> TrialRecord | None:
        if self._waiting:
            return self.ledger.restart(self._waiting.pop(0))
        if not (cells := self._open_cells()):
            return None
        cell = min(cells, key=lambda each: (self._asked[each.key], -self._costs[each.key].trial, each.key))
        self._asked[cell.key] += 1
        return self.ledger.ask(cell, seed=self.spec.protocol.seed, budget=self.spec.budget.trials_per_cell)

    def _open_cells(self) -> list[Cell]:
        return [cell for cell in self.cells if self._asked[cell.key] < self.trials(cell)]

    def _judge(self, record: TrialRecord, evaluation: Evaluation) -> tuple[Outcome | None, str]:
        if evaluation.outcome is not None:
            return evaluation.outcome, evaluation.reason
        config = record.config
        if evaluation.replicate + 1 == config.replicates and evaluation.point == config.evaluations:
            return Outcome.COMPLETED, ""
        rule = pruner(self.spec.pruning, config.replicates, config.evaluations)
        if self.ledger.stops(record.key, rule):
            return Outcome.PRUNED, f"not among the best of its cell at evaluation {record.evaluations[-1].number}"
        ends_replicate = evaluation.point == config.evaluations
        if self.state is State.STOPPED or (self.state is State.DRAINING and ends_replicate):
            return Outcome.INTERRUPTED, "the sweep was stopped"
        limit = self.meter.limit
        return (Outcome.INTERRUPTED, f"{limit} is used up") if limit is not None else (None, "")

    def _end(self, key: str, outcome: Outcome, reason: str, detail: str = "", *, unreported: float = 0.0) -> None:
        """unreported: seconds of a worker's time since its last evaluation."""
        self.running.discard(key)
        if outcome is Outcome.INTERRUPTED:
            known = self._attempts.get(key)
            unreported += known.spent if known else self.ledger.trial(key).lost_seconds
        if unreported > 0:
            self.ledger.record_discarded(key, unreported, reason)
        record = self.ledger.finish(key, outcome, reason, detail)
        if outcome is not Outcome.INTERRUPTED:
            self._consider(record.cell)
