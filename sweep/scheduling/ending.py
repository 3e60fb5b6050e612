"""How a run of a sweep comes to its end: the one place that decides it, closes what is open, and records it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sweep.records.sweep import SweepState
from sweep.scheduling.budget import Limit
from sweep.scheduling.dispatcher import Dispatcher, State
from trainable.outcomes import Outcome

__all__ = ["End", "Ending", "close"]


class End(StrEnum):
    """How a run of a sweep ends: with nothing left to do, at a limit of its budget, or before either."""

    FINISHED = "finished"
    OUT_OF_BUDGET = "out_of_budget"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended. limit: what is used up of the budget, if anything."""

    end: End
    limit: Limit | None


def close(dispatcher: Dispatcher, *, aborted: bool) -> Ending:
    """End a run: interrupt the trials that are still open, and record the state of the sweep.

    aborted: whether a signal or an error ended the run before its dispatcher had nothing left to hand out.

    Raises LedgerError where the ledger cannot be written, or could not be before.
    """
    ledger, limit = dispatcher.ledger, dispatcher.meter.limit
    end = End.INTERRUPTED if aborted else _end(dispatcher)
    dispatcher.interrupt(f"{limit} is used up" if end is End.OUT_OF_BUDGET else f"the sweep ended: {end}")
    useful = any(record.score is not None or record.outcome is Outcome.COMPLETED for record in ledger.trials())
    finished = SweepState.FINISHED if useful else SweepState.FAILED
    ledger.end(finished if end is End.FINISHED else SweepState.INTERRUPTED)
    if dispatcher.fault is not None:
        raise dispatcher.fault
    return Ending(end, limit)


def _end(dispatcher: Dispatcher) -> End:
    if dispatcher.state is State.STOPPED:
        return End.INTERRUPTED
    open_trials = not all(record.is_over for record in dispatcher.ledger.trials())
    if not (open_trials or dispatcher.unfinished):
        return End.FINISHED
    out = dispatcher.meter.limit is not None and dispatcher.state is State.RUNNING
    return End.OUT_OF_BUDGET if out else End.INTERRUPTED
