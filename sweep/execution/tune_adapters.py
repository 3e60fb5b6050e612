"""The thin classes through which Ray Tune asks the dispatcher.

Tune's own run is disposable: nothing is restored from it, so the searcher saves nothing, and every decision is the
ledger's.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ray import cloudpickle
from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from sweep.errors import LedgerError
from sweep.execution.idle_workers import IdleWorkers
from sweep.execution.start_limit import StartLimit
from sweep.execution.watchdog import StalledError
from sweep.scheduling.dispatcher import Dispatcher, State
from trainable.outcomes import Evaluation

__all__ = ["LedgerScheduler", "LedgerSearcher", "StopCallback", "StoppedError"]

_T = TypeVar("_T")

logger = logging.getLogger(__name__)


class StoppedError(Exception):
    """Ends Tune's loop from within. Tune frees the resources of its trials first; it does not for KeyboardInterrupt."""


class StopCallback(Callback):
    """Ends Tune's loop between two steps by raising `stopped`, once the dispatcher has been stopped."""

    def __init__(self, dispatcher: Dispatcher, stopped: type[BaseException]) -> None:
        super().__init__()
        self._dispatcher = dispatcher
        self._stopped = stopped

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Called by Tune's loop several times a second."""
        if self._dispatcher.state is State.STOPPED:
            raise self._stopped


class LedgerSearcher(Searcher):
    """Gives Tune the dispatcher's assignments as configurations. stopped: what is raised to end Tune's loop."""

    def __init__(self, dispatcher: Dispatcher, stopped: type[BaseException]) -> None:
        super().__init__()
        self._dispatcher = dispatcher
        self._stopped = stopped

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        if self._dispatcher.exhausted:
            return Searcher.FINISHED  # type: ignore[return-value]  # a string, whatever Ray's annotation says
        assignment = _recorded(self._dispatcher, self._dispatcher.next, self._stopped)
        seconds = 60 * self._dispatcher.spec.budget.stall_minutes
        return None if assignment is None else {"assignment": assignment.to_json(), "time_limit": seconds}

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        return True  # the dispatcher counts its slots itself

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        return True

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        pass  # evaluations arrive through the scheduler, which decides on them

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        pass

    def save(self, checkpoint_path: str) -> None:
        """Nothing is saved. But this is where Tune arrives after its last step, before it waits for its actors, which
        it might do for ever if a signal has ended Ray's processes too."""
        if self._dispatcher.state is State.STOPPED:
            raise self._stopped

    def restore(self, checkpoint_path: str) -> None:
        raise AssertionError("a Tune run is never restored; the ledger is")


class LedgerScheduler(FIFOScheduler):
    """Records every result, and stops the trials that the dispatcher ends. stopped: what is raised to end Tune's
    loop."""

    def __init__(self, dispatcher: Dispatcher, stopped: type[BaseException]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._dispatcher = dispatcher
        self._stopped = stopped
        self._start_limit = StartLimit(60 * dispatcher.spec.budget.stall_minutes)
        self._idle_workers = IdleWorkers(dispatcher.slots)

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """None: Tune starts what is pending anyway. A trial named here, while it waits for the worker that it has asked
        for, would get the next one that falls free instead. Its own would be ended then, while the next trial asks for
        one more: seconds of more than the slots, and a machine that comes for nothing."""
        self._start_limit.check(tune_controller)
        if self._dispatcher.ending:
            self._withdraw_waiting(getattr(tune_controller, "_tune_controller", tune_controller))
        self._idle_workers.check(tune_controller, more=not self._dispatcher.exhausted)
        return None

    def _withdraw_waiting(self, controller: Any) -> None:
        """Take back what waits for a machine or a worker once nothing more is to begin. Tune would wait for a machine
        as long as it takes, and a cluster would start one for it."""
        for trial in [each for each in controller.get_trials() if each.status == Trial.PENDING]:
            _recorded(self._dispatcher, partial(self._dispatcher.withdraw, _key(trial)), self._stopped)
            controller.stop_trial(trial)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        evaluation = Evaluation.from_json(json.loads(result["evaluation"]))
        ends = _recorded(self._dispatcher, lambda: self._dispatcher.record(_key(trial), evaluation), self._stopped)
        return TrialScheduler.STOP if ends else TrialScheduler.CONTINUE

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        detail, stall = _traceback(trial), _stall(trial)
        reason = detail.splitlines()[-1] if stall is None else str(stall)
        if late := self._start_limit.killed(trial.trial_id):
            reason = self._start_limit.reason
        logger.warning("%s: %s", _key(trial), reason if stall is None else detail)
        began = trial.run_metadata.start_time
        running = max(0.0, time.time() - began) if began else 0.0  # not what it waited for a machine
        _recorded(
            self._dispatcher,
            lambda: self._dispatcher.worker_lost(
                _key(trial), reason, detail, stalled=late or stall is not None, running=running
            ),
            self._stopped,
        )


def _traceback(trial: Trial) -> str:
    """What Tune has written of a trial's last error: the remote traceback, whose last line is the error itself."""
    path = trial.error_file  # `get_error` looks where it is copied later
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace") if path else ""
    except OSError:
        text = ""
    _, _, told = text.rpartition("Failure # ")
    return told.partition("\n")[2].strip() or "the worker died"


def _stall(trial: Trial) -> StalledError | None:
    """The trial's last error, if it is that a step exceeded its time limit."""
    path = trial.pickled_error_file
    try:
        error = cloudpickle.loads(Path(path).read_bytes()) if path else None
    except Exception:  # an error of a foreign class may not come back from its pickle; ours does
        return None
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, StalledError) else None


def _recorded(dispatcher: Dispatcher, act: Callable[[], _T], stopped: type[BaseException]) -> _T:
    """Do what writes to the ledger. A ledger that cannot be written ends the Tune run at once: what is not on record
    must not be built upon. After a stop nothing is written: who has stopped it may be closing the ledger."""
    if dispatcher.state is State.STOPPED:
        raise stopped
    try:
        return act()
    except LedgerError as error:
        dispatcher.fail(error)
        raise stopped from error


def _key(trial: Trial) -> str:
    return str(json.loads(trial.config["assignment"])["key"])
