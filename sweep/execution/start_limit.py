"""A limit on the time that a worker takes to start.

A worker that trains is watched from within (`watchdog`, `guard`). Before these run, while its process starts, imports
libraries and loads, it may be stopped or hang as well, and Tune waits for it for ever.
"""

from __future__ import annotations

import logging
import time
from typing import Any

__all__ = ["StartLimit"]

logger = logging.getLogger(__name__)

_STARTING = 60.0  # seconds beyond the time limit of a step: for Python, Ray and the imports, on a busy machine too


class StartLimit:
    """Kills workers that have not started within the time limit of a step and a minute. They wait for no machine: Tune
    asks for a worker once it holds what the worker needs.

    seconds: the time limit of a step.
    """

    def __init__(self, seconds: float) -> None:
        self._limit = seconds + _STARTING
        self._since: dict[Any, float] = {}
        self._killed: set[str] = set()

    def check(self, tune_controller: Any) -> None:
        """Look at the workers of Tune's controller, as its schedulers get it; several times a second."""
        import ray

        controller = getattr(tune_controller, "_tune_controller", tune_controller)
        manager, now = controller._actor_manager, time.monotonic()
        starting = [each for each in manager.live_actors if each not in controller._started_actors]
        self._since = {each: self._since.get(each, now) for each in starting}
        for each in [each for each, since in self._since.items() if now - since > self._limit]:
            trial = controller._actor_to_trial.get(each)
            if trial is not None:
                logger.warning("a worker has not started within %.0f seconds, and is killed", self._limit)
                self._killed.add(trial.trial_id)
            self._since[each] = float("inf")  # once
            ray.kill(manager._live_actors_to_ray_actors_resources[each][0])

    def killed(self, trial_id: str) -> bool:
        """Whether the worker of a trial has been killed; asked once for each."""
        known = trial_id in self._killed
        self._killed.discard(trial_id)
        return known

    @property
    def reason(self) -> str:
        """What is said of it."""
        return f"its worker has not started within {self._limit / 60:.3g} minutes (budget.stall_minutes and one more)"
