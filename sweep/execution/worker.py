"""The process that trains: a Tune trainable that serves one trial after another.

It stays alive between trials (`reuse_actors`), so that libraries, encoder weights and tokenised data are loaded once.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import ray
from ray import tune

from sweep.execution.guard import guard
from sweep.execution.trial_inputs import TrialInputs
from sweep.execution.watchdog import grace, log_place, time_limit
from sweep.hiding import hidden_modules
from sweep.scheduling.assignment import Assignment, refusal
from trainable.errors import TrainableError
from trainable.loading import load_training_libraries
from trainable.outcomes import Evaluation, Outcome

__all__ = ["Worker", "hide_unreserved_gpus"]


_LEAST_SILENCE = 30.0  # seconds; the import of a large library can keep all threads waiting for a few


class Worker(tune.Trainable):
    """Trains what its assignment says; each step is one evaluation, after which Tune decides whether there is a next.

    Raises StalledError where a step takes longer than the configuration's `time_limit`, in seconds; a process that is
    stopped for longer than that is killed.
    """

    def setup(self, config: dict[str, Any], inputs: TrialInputs) -> None:  # type: ignore[override]  # with_parameters
        self._time_limit = float(config["time_limit"])
        hidden = hidden_modules()
        if unfit := f"on {platform.node()}, {hidden}" if hidden else inputs.lacking(platform.node()):
            self._evaluations = _refused(config["assignment"], unfit)
            return
        assignment = Assignment.from_json(config["assignment"])
        guard(max(_LEAST_SILENCE, self._time_limit + 2 * grace(self._time_limit)))
        hide_unreserved_gpus()
        load_training_libraries()  # slow, and no part of a step whose time is limited

        inputs.provide_for(assignment.config)
        self._evaluations = _evaluations(assignment)

    def step(self) -> dict[str, Any]:
        with time_limit(self._time_limit):
            evaluation = next(self._evaluations)
        return {"evaluation": json.dumps(_with_log(evaluation).to_json())}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.cleanup()
        with time_limit(float(new_config["time_limit"])):  # a first `setup` is limited by the driver (`start_limit`)
            self.setup(new_config)  # type: ignore[call-arg]  # with_parameters adds the inputs
        return True

    def cleanup(self) -> None:
        self._evaluations.close()  # type: ignore[attr-defined]  # an iterator from a generator function


def hide_unreserved_gpus() -> None:
    """Leave this process only the GPUs that Ray has reserved for it: none, where it has reserved none.

    Ray itself leaves the machine's GPUs visible to a worker without one. Called before CUDA is initialised.
    """
    if not ray.get_gpu_ids():
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def _evaluations(assignment: Assignment) -> Iterator[Evaluation]:
    """The evaluations of an assignment. Only infrastructure raises: what a trial does wrong is an outcome."""
    try:
        yield from assignment.evaluations()
    except TrainableError as error:
        yield assignment.refused(str(error))


def _refused(assignment: str, reason: str) -> Iterator[Evaluation]:
    yield refusal(json.loads(assignment), reason)


def _with_log(evaluation: Evaluation) -> Evaluation:
    """A failure with the place of this worker's log, where there may be more to read."""
    if evaluation.outcome is not Outcome.FAILED:
        return evaluation
    return replace(evaluation, detail=f"{evaluation.detail or evaluation.reason}\nlog: {log_place()}\n")
