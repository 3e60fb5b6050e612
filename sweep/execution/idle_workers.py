"""Workers that have nothing to do for a moment are kept.

Where a search ends and its confirmation begins, or a rung waits for the last trial, there is nothing to hand out until
a running trial ends. Tune lets go of all idle workers but one then, and starts them again seconds later: each start
imports torch and transformers, and loads the encoder.
"""

from __future__ import annotations

import logging
import time
from typing import Any

__all__ = ["KEPT_SECONDS", "IdleWorkers"]

logger = logging.getLogger(__name__)

KEPT_SECONDS = 20.0
"""About what starting a worker costs: whoever waits as long as that loses at most twice the better choice."""


class IdleWorkers:
    """Keeps idle workers for up to `KEPT_SECONDS`, while more may be handed out later.

    slots: the number of workers that may be kept.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._kept = 0
        self._since: float | None = None

    def check(self, tune_controller: Any, *, more: bool) -> None:
        """Look at the idle workers of Tune's controller, as its schedulers get it; several times a second.

        more: whether more may be handed out, as long as anything runs that others may follow.
        """
        controller = getattr(tune_controller, "_tune_controller", tune_controller)
        cache, now = controller._actor_cache, time.monotonic()
        if not cache.num_cached_objects:
            self._since = None
        elif self._since is None:
            self._since = now
        late = self._since is not None and now - self._since > KEPT_SECONDS
        if late:
            logger.info("workers that have nothing to do are let go")
            self._since = None
        self._keep(controller, 0 if late or not more else self._slots)

    def _keep(self, controller: Any, number: int) -> None:
        """Let Tune keep so many workers beside those for which a trial waits, from its next step on."""
        if number == self._kept:
            return
        trials = controller.get_trials()
        if trials:  # all of them ask for the same resources
            controller._actor_cache.increase_max(trials[0].placement_group_factory, by=number - self._kept)
            self._kept = number
