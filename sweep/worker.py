"""The process that trains: a Tune trainable that serves one trial after another.

It stays alive between trials (`reuse_actors`), so that libraries, encoder weights and tokenised data are loaded once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from ray import tune

from sweep.assignment import Assignment
from trainable.errors import TrainableError
from trainable.reports import Report

__all__ = ["Worker"]


class Worker(tune.Trainable):
    """Trains what its assignment says; each step is one report. Tune decides after each step whether there is a next
    one."""

    def setup(self, config: dict[str, Any]) -> None:
        self._reports = _reports(config["assignment"])

    def step(self) -> dict[str, Any]:
        return {"report": json.dumps(asdict(next(self._reports)))}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.cleanup()
        self.setup(new_config)
        return True

    def cleanup(self) -> None:
        self._reports.close()  # type: ignore[attr-defined]  # an iterator from a generator function


def _reports(encoded: str) -> Iterator[Report]:
    """The reports of an assignment. Only the death of this process raises: what a trial does wrong is an outcome."""
    assignment = Assignment.from_json(encoded)
    try:
        yield from assignment.reports()
    except TrainableError as error:
        yield assignment.refused(str(error))
