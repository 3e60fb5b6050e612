"""Confirmation: the winner of a cell, trained again on fresh draws and scored on the test part.

What a cell needs next is a function of its records alone (`wanted`), so that a killed sweep resumes where it was. The
draws of a confirmation are the same for every cell, begin at `CONFIRMATION_START`, and are never used by the search;
each replicate is handed out by itself, so that one winner occupies the whole cluster if nothing else is left to do.
Where comparisons are made in looks, cells get the draws of the next look once those they are compared with have theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sweep.records.confirmation import ConfirmationRecord, Role
from sweep.records.trial import TrialRecord
from sweep.scheduling.assignment import MAX_CRASHES, MAX_STALLS, Assignment
from sweep.scheduling.looks import Looks
from sweep.search.selection import Replicate, Wanted, wanted
from trainable.outcomes import Evaluation, Outcome

if TYPE_CHECKING:
    from sweep.ledger.ledger import Ledger
    from sweep.spec.model import SweepSpec

__all__ = ["Confirmer"]


@dataclass(slots=True)
class Confirmer:
    """Hands out the replicates that cells want, and records what comes back. Same contract as the dispatcher."""

    ledger: Ledger
    spec: SweepSpec
    _looks: Looks = field(init=False)
    _cells: dict[str, tuple[Wanted, ...]] = field(default_factory=dict)
    _queue: list[tuple[str, Replicate]] = field(default_factory=list)  # keys of records, with what they lack
    _running: dict[str, tuple[str, Replicate]] = field(default_factory=dict)  # by the key of the assignment

    def __post_init__(self) -> None:
        self._looks = Looks(self.ledger, self.spec)

    @property
    def waiting(self) -> bool:
        """Whether a replicate could be handed out at once."""
        return bool(self._queue)

    def consider(self, cell: str, trials: Sequence[TrialRecord]) -> None:
        """The search of `cell` has ended with these trials: begin, resume, or close what it wants now."""
        own = [each for each in self.ledger.confirmations() if each.cell == cell]
        self._cells[cell] = wanted(trials, own, self.spec.confirm, self._looks.draws(cell))
        for want in self._cells[cell]:
            record = want.record_among(own) or self._begin(want)
            missing = want.missing(record)
            if not missing and record.outcome is not Outcome.COMPLETED:
                self.ledger.finish_confirmation(record.key, Outcome.COMPLETED)
            known = {*self._queue, *self._running.values()}
            self._queue += [(record.key, each) for each in missing if (record.key, each) not in known]

    def next(self) -> Assignment | None:
        """The next replicate, if one waits."""
        if not self._queue:
            return None
        key, replicate = self._queue.pop(0)
        record = self.ledger.count_attempt(key, str(replicate))
        assignment = Assignment(
            record=key,
            config=record.config,
            draws=(replicate.draw,),
            initialisation=replicate.initialisation,
            part="test" if record.role is Role.CONFIRMATION else "validation",
            temperature=self._trial(record).temperature,
        )
        self._running[assignment.key] = (key, replicate)
        return assignment

    def owns(self, assignment: str) -> bool:
        """Whether an assignment that runs is one of this object's."""
        return assignment in self._running

    def record(self, assignment: str, evaluation: Evaluation) -> str:
        """Record the one evaluation of a replicate; the key of its record."""
        key, _ = self._running.pop(assignment)
        self._record(key, evaluation)
        return key

    def worker_lost(
        self, assignment: str, reason: str, detail: str, *, stalled: bool, seconds: float
    ) -> tuple[str, Evaluation | None]:
        """The replicate's worker died, and with it so many seconds of its work; it is handed out again, unless that has
        happened too often. The key of its record, and what was recorded of a replicate that is given up."""
        key, replicate = self._running.pop(assignment)
        self.ledger.record_discarded(key, seconds, reason)
        times = self.ledger.count_crash(key, str(replicate), stalled=stalled)
        if times < (MAX_STALLS if stalled else MAX_CRASHES):
            self._queue.insert(0, (key, replicate))
            return key, None
        given_up = _given_up(replicate, f"{reason} ({times} times in a row)", detail or reason)
        self._record(key, given_up)
        return key, given_up

    def withdraw(self, assignment: str) -> None:
        """Take back a replicate that no worker has begun."""
        key, replicate = self._running.pop(assignment)
        self._queue.insert(0, (key, replicate))

    def interrupt(self, reason: str) -> Iterator[str]:
        """Close what is open; the next run takes it up again. Yields the keys of the records."""
        self._queue.clear()
        self._running.clear()
        for record in self.ledger.confirmations():
            if record.outcome is None:
                self.ledger.finish_confirmation(record.key, Outcome.INTERRUPTED, reason)
                yield record.key

    def wanted(self, cell: str) -> int:
        """How many replicates the winner of a cell needs, as far as that is known: at least those of the first look."""
        own = [want for want in self._cells.get(cell, ()) if want.role is Role.CONFIRMATION]
        return len(own[0].replicates) if own else self.spec.confirm.least_replicates

    def done(self) -> Mapping[str, int]:
        """By cell, how many replicates its winner's confirmation has."""
        records = {(each.cell, each.role, each.trial): each for each in self.ledger.confirmations()}
        found = {}
        for cell, wants in self._cells.items():
            for want in wants:
                if want.role is Role.CONFIRMATION:
                    record = records.get((cell, want.role, want.trial.number))
                    found[cell] = len(want.replicates) - len(want.missing(record))
        return found

    def _trial(self, record: ConfirmationRecord) -> TrialRecord:
        """What is confirmed: it was wanted before it was handed out."""
        return next(want.trial for want in self._cells[record.cell] if want.trial.number == record.trial)

    def _begin(self, want: Wanted) -> ConfirmationRecord:
        config = want.trial.config.model_copy(update={"evaluations": 1})  # nobody may stop it, so nobody looks earlier
        return self.ledger.begin_confirmation(want.trial, want.role, config)

    def _record(self, key: str, evaluation: Evaluation) -> None:
        record = self.ledger.record_replicate(key, evaluation)
        for cell in (record.cell, *sorted(self._looks.others(record.cell) & set(self._cells))):
            self.consider(cell, self.ledger.trials_of(cell))


def _given_up(replicate: Replicate, reason: str, detail: str) -> Evaluation:
    return Evaluation(
        draw=replicate.draw,
        replicate=0,
        point=1,
        step=0,
        initialisation=replicate.initialisation,
        outcome=Outcome.FAILED,
        reason=reason,
        detail=detail,
    )
