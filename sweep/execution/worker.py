"""The process that trains: a Tune trainable that serves one trial after another.

It stays alive between trials (`reuse_actors`), so that libraries, encoder weights and tokenised data are loaded once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from ray import tune

from sweep.execution.trial_inputs import Shipment
from sweep.execution.watchdog import broken_off, log_place
from sweep.scheduling.assignment import Assignment
from trainable.errors import TrainableError
from trainable.reports import Outcome, Report

__all__ = ["Worker"]


class Worker(tune.Trainable):
    """Trains what its assignment says; each step is one report. Tune decides after each step whether there is a next
    one. Raises StalledError where a report takes longer than the configuration's `patience`, in seconds."""

    def setup(self, config: dict[str, Any], shipment: Shipment) -> None:  # type: ignore[override]  # with_parameters
        import torch  # noqa: F401  # slow, and no part of a report whose time is limited
        import transformers  # noqa: F401

        assignment = Assignment.from_json(config["assignment"])
        shipment.deliver(assignment.config)
        self._reports = _reports(assignment)
        self._patience = float(config["patience"])

    def step(self) -> dict[str, Any]:
        with broken_off(self._patience):
            report = next(self._reports)
        return {"report": json.dumps(asdict(_with_place(report)))}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.cleanup()
        self.setup(new_config)  # type: ignore[call-arg]  # with_parameters adds the shipment
        return True

    def cleanup(self) -> None:
        self._reports.close()  # type: ignore[attr-defined]  # an iterator from a generator function


def _reports(assignment: Assignment) -> Iterator[Report]:
    """The reports of an assignment. Only the death of this process raises: what a trial does wrong is an outcome."""
    try:
        yield from assignment.reports()
    except TrainableError as error:
        yield assignment.refused(str(error))


def _with_place(report: Report) -> Report:
    """A failure with the place of this worker's log, where there may be more to read."""
    if report.outcome is not Outcome.FAILED:
        return report
    return replace(report, detail=f"{report.detail or report.reason}\nlog: {log_place()}\n")
