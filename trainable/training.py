"""Training of one configuration on its draws, as an iterator of evaluations.

The metrics of an evaluation:

- `val_accuracy`, `val_macro_f1`, `val_weighted_f1` and `val_loss` (cross-entropy in nats) of the draw's validation
  rows, scored by the rule of `inference`: by default the head or, where beta is 0 and the head has learned nothing, the
  nearest proxy or centroid;
- with part "test": the same of the test rows (`test_accuracy`, ...), and what
  `trainable.evaluation.assessment.assess_test` adds; the evaluation then has a confusion, the predicted classes, and
  how sure the classifier was of them;
- of a draw whose rows take turns to validate: `val_temperature`, with which the scores of the rows that were left out
  agree best with their classes;
- means over the steps since the last evaluation: `train_loss`, `train_cross_entropy` and `train_metric_loss` where they
  are part of it, and `gradient_norm` (before clipping);
- seconds since the last evaluation: `train_seconds`, `eval_seconds`;
- since the replicate's start: `tokens`, the real tokens trained on, and `restarts`, how often the training was begun
  anew, where the configuration allows that.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from trainable.cross_validation import CrossValidation, is_cross_validated
from trainable.datasets import load
from trainable.draws import draw_of
from trainable.encoder import free_accelerator
from trainable.feasibility import check_feasible
from trainable.learner import DivergedError
from trainable.outcomes import Evaluation, Outcome
from trainable.plugins import plugins_of
from trainable.recipes import RECIPES
from trainable.recipes.entry import Measurement, Part, Trial
from trainable.versions import versions

if TYPE_CHECKING:
    from trainable.config import TrialConfig
    from trainable.recipes.entry import RecipeRun

__all__ = ["Part", "evaluations", "replicates"]


_ACTIVE: list[object] = [None]  # token of the iterator begun last, which owns the random state of the process


def replicates(
    config: TrialConfig,
    draws: Sequence[int] | None = None,
    *,
    first: int = 0,
    initialisation: int = 0,
    part: Part = "validation",
    temperature: float | None = None,
) -> Iterator[Evaluation]:
    """Train on each of `draws`, from position `first` on, and yield an evaluation at each evaluation point.

    A replicate has `config.evaluations` evenly spaced points, the last one at its last step. Closing the iterator
    prunes the trial. A value that is not finite, memory that runs out, or any error that would recur ends the iterator
    with an evaluation that has an outcome. Only one iterator can be active in a process, since they share the encoder
    and the random state: beginning another one ends it.

    draws: indices of the draws; by default 0 to `config.replicates` - 1.
    initialisation: 0 trains what a search trains; another number trains the same rows from another initial head, with
        other proxies, dropout and batches, so that the two sources of noise can be told apart.
    part: "validation" never reads the test rows; "test" scores those of the draw once, after the last step.
    temperature: what scores of test rows are divided by, for their confidences, where draws have no validation rows.

    Raises TrainableError at once for invalid data, encoder or fields; while iterating, RuntimeError if another iterator
    has been begun, and torch.AcceleratorError if the device fails.
    """
    trial = replace(_trial(config, draws, initialisation, part), temperature=temperature)
    check_feasible(config, trial.data)
    if part == "validation" and is_cross_validated(config, trial.data):
        return _evaluations(trial, CrossValidation.begun(trial), first)
    return evaluations(trial, first=first)


def evaluations(trial: Trial, *, first: int = 0) -> Iterator[Evaluation]:
    """Train a trial whose rows are chosen already, as `replicates` does; so a plan times a sample of the rows."""
    return _evaluations(trial, RECIPES[trial.config.recipe.name].begin(trial), first)


def _trial(config: TrialConfig, draws: Sequence[int] | None, initialisation: int, part: Part) -> Trial:
    """Load what all replicates share, before any of them is trained."""
    data = load(config.dataset)
    chosen = tuple(range(config.replicates) if draws is None else draws)
    return Trial(
        config=config,
        data=data,
        draws=chosen,
        samples=tuple(draw_of(config, data, index) for index in chosen),
        part=part,
        initialisation=initialisation,
    )


def _evaluations(trial: Trial, run: RecipeRun, first: int) -> Iterator[Evaluation]:
    _ACTIVE[0] = token = object()
    try:
        for replicate in range(first, len(trial.draws)):
            for evaluation in _replicate_evaluations(trial, run, replicate, token):
                if evaluation.outcome is Outcome.FAILED:
                    free_accelerator()
                yield evaluation
                if evaluation.outcome is not None:
                    return
    finally:
        if _ACTIVE[0] is token:  # else an abandoned iterator, collected late, would clear the gradients of another
            run.release()


def _replicate_evaluations(trial: Trial, run: RecipeRun, replicate: int, token: object) -> Iterator[Evaluation]:
    measured = run.measurements(replicate)
    loss = None if trial.config.loss is None else trial.config.loss.name
    step = 0
    for point in range(1, trial.evaluations + 1):
        if _ACTIVE[0] is not token:
            raise RuntimeError("another trial was begun in this process: exhaust one iterator before the next")
        at = partial(
            Evaluation,
            draw=trial.draws[replicate],
            replicate=replicate,
            point=point,
            initialisation=trial.initialisation,
            trained_with=", ".join([versions(), *map(str, plugins_of(trial.config.recipe.name, loss))]),
            tested=trial.tested(replicate),
        )
        evaluation = _next_evaluation(measured, at, step)
        step = evaluation.step
        yield evaluation


def _next_evaluation(measured: Iterator[Measurement], at: Callable[..., Evaluation], step: int) -> Evaluation:
    """Return the next evaluation, with an outcome if it ends the trial. step: of the previous evaluation."""
    try:
        measurement = next(measured)
    except DivergedError as error:
        return at(step=error.step, outcome=Outcome.DIVERGED, reason=str(error))
    except Exception as error:
        if _is_device_failure(error):
            raise
        return at(step=step, outcome=Outcome.FAILED, reason=_reason(error), detail=traceback.format_exc())
    return at(
        step=measurement.step,
        metrics=measurement.metrics,
        confusion=measurement.confusion,
        predicted=measurement.predicted,
        confidences=measurement.confidences,
        trained_on=measurement.trained_on,
    )


def _is_device_failure(error: Exception) -> bool:
    """Return whether the accelerator or its driver failed: this process cannot train any more, another one may."""
    import torch

    return isinstance(error, getattr(torch, "AcceleratorError", ())) and not _is_out_of_memory(error)


def _is_out_of_memory(error: Exception) -> bool:
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    messages = ("out of memory", "DefaultCPUAllocator", "CUBLAS_STATUS_ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(message in str(error) for message in messages)


def _reason(error: Exception) -> str:
    first_line = " ".join(str(error).strip().split("\n")[0].split())
    if _is_out_of_memory(error):
        return f"out of memory: {first_line or 'the allocator gave no details'}"
    return f"{type(error).__name__}: {first_line}"
