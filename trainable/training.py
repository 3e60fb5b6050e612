"""Training of one configuration on its draws: an iterator of reports, and whoever iterates may stop at any of them."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from trainable.datasets import load
from trainable.draws import draw_of
from trainable.encoder import free_accelerator, load_encoder
from trainable.errors import ConfigError
from trainable.learner import DivergedError
from trainable.losses import LOSSES, LossEntry
from trainable.outcomes import Evaluation, Outcome
from trainable.replicate import Measurement, Part, Trial, measurements

if TYPE_CHECKING:
    from trainable.config import TrialConfig

__all__ = ["Part", "replicates"]


_AT_WORK: list[object] = [None]  # whose turn it is: the trial begun last in this process owns its random state


def replicates(
    config: TrialConfig,
    draws: Sequence[int] | None = None,
    *,
    first: int = 0,
    initialisation: int = 0,
    part: Part = "validation",
) -> Iterator[Evaluation]:
    """Train on each of `draws` (default: 0 to `config.replicates` - 1), from position `first` on, and report after each
    of `config.evaluations` evenly spaced points, the last one at the last step; with part "test" at the last step only.

    initialisation: 0 trains what a search trains; another number trains the same rows from another initial head, with
    other proxies, dropout and batches, so that the two sources of noise can be told apart.

    Metrics of a report:
    - `val_accuracy`, `val_macro_f1`, `val_weighted_f1` and `val_loss`, the cross-entropy in nats, of the draw's
      validation rows. All are of the head or, where beta is 0 and the head has learned nothing, of the class scores of
      `trainable.evaluation.inference`;
    - with part "test": the same of the test rows (`test_accuracy`, ...), and what
      `trainable.evaluation.assessment.assess_test` adds; the report then has a confusion;
    - means over the steps since the last report: `train_loss`, `train_cross_entropy` and `train_metric_loss` where they
      are part of it, `gradient_norm` (before clipping);
    - since the last report: `train_seconds`, `eval_seconds`; since the replicate's start: `tokens`, the real tokens
      trained on.

    Part "validation" never reads the test rows; "test" scores all of them, once. Stop iterating (`close`) to prune. A
    value that is not finite, memory that runs out, or any error that would come again ends the iterator with a report
    that has an outcome. Only one iterator can be at work in a process, since they share the encoder and the random
    state: beginning another one ends it.

    Raises, at once, TrainableError for data, an encoder or a field that cannot serve; while iterating, RuntimeError
    where another iterator has been begun, and torch.AcceleratorError where the device itself fails.
    """
    entry = LOSSES[config.loss.name]
    _check_pairs(config, entry)
    data = load(config.dataset)
    chosen = tuple(range(config.replicates) if draws is None else draws)
    samples = tuple(draw_of(config, data, index) for index in chosen)
    encoder = load_encoder(config.encoder, config.encoder_revision, len(data.class_names))
    if config.max_length > encoder.longest_input:
        raise ConfigError(
            f"max_length must be at most {encoder.longest_input}, the longest input of {config.encoder}; received "
            f"{config.max_length}: lower it"
        )
    trial = Trial(
        config=config,
        entry=entry,
        data=data,
        encoder=encoder,
        draws=chosen,
        samples=samples,
        part=part,
        initialisation=initialisation,
    )
    return _evaluations(trial, first)


def _check_pairs(config: TrialConfig, entry: LossEntry) -> None:
    if entry.needs_pairs and config.beta < 1 and config.shots < 2 and config.embedding != "tokens":
        raise ConfigError(
            f"{entry.name} compares rows of one class, so shots must be at least 2; received {config.shots}: raise it, "
            "or let the loss see every token (embedding: tokens)"
        )


def _evaluations(trial: Trial, first: int) -> Iterator[Evaluation]:
    _AT_WORK[0] = turn = object()
    try:
        for replicate in range(first, len(trial.draws)):
            for evaluation in _replicate_evaluations(trial, replicate, turn):
                if evaluation.outcome is Outcome.FAILED:
                    free_accelerator()
                yield evaluation
                if evaluation.outcome is not None:
                    return
    finally:
        if _AT_WORK[0] is turn:  # else one that was forgotten, collected late, would take the gradients of another
            trial.encoder.model.zero_grad(set_to_none=True)


def _replicate_evaluations(trial: Trial, replicate: int, turn: object) -> Iterator[Evaluation]:
    measured = measurements(trial, replicate)
    step = 0
    for point in range(1, len(trial.points) + 1):
        if _AT_WORK[0] is not turn:
            raise RuntimeError("another trial was begun in this process: exhaust one iterator before the next")
        at = partial(
            Evaluation,
            draw=trial.draws[replicate],
            replicate=replicate,
            point=point,
            initialisation=trial.initialisation,
        )
        evaluation = _next_evaluation(measured, at, step)
        step = evaluation.step
        yield evaluation


def _next_evaluation(measured: Iterator[Measurement], at: Callable[..., Evaluation], step: int) -> Evaluation:
    """The next evaluation, or the outcome that ends the trial. step: the optimiser steps of the last evaluation."""
    try:
        done = next(measured)
    except DivergedError as error:
        return at(step=error.step, outcome=Outcome.DIVERGED, reason=str(error))
    except Exception as error:
        if _is_device_failure(error):
            raise
        return at(step=step, outcome=Outcome.FAILED, reason=_reason(error), detail=traceback.format_exc())
    return at(step=done.step, metrics=done.metrics, confusion=done.confusion, trained_on=done.trained_on)


def _is_device_failure(error: Exception) -> bool:
    """Whether the accelerator or its driver failed, and not the trial: this process cannot go on, another one may."""
    import torch

    return isinstance(error, getattr(torch, "AcceleratorError", ())) and not _is_out_of_memory(error)


def _is_out_of_memory(error: Exception) -> bool:
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    signs = ("out of memory", "DefaultCPUAllocator", "CUBLAS_STATUS_ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)


def _reason(error: Exception) -> str:
    first_line = " ".join(str(error).strip().split("\n")[0].split())
    if _is_out_of_memory(error):
        return f"out of memory: {first_line or 'the allocator gave no details'}"
    return f"{type(error).__name__}: {first_line}"
