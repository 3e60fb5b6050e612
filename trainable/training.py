"""Training of one configuration on its draws: an iterator of reports, and whoever iterates may stop at any of them."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

from trainable.datasets import load
from trainable.draws import Draw, few_shot_draw, initialisation_seed
from trainable.encoder import Encoder, load_encoder
from trainable.errors import ConfigError
from trainable.losses import LOSSES, LossEntry
from trainable.replicate import DivergedError, Evaluation, Part, evaluations
from trainable.reports import Outcome, Report

if TYPE_CHECKING:
    from trainable.config import TrialConfig
    from trainable.datasets.text_data import TextData

__all__ = ["Part", "replicates"]

_TRAINING = Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """What all replicates of a trial share. draws: their indices; samples: the rows of each."""

    config: TrialConfig
    entry: LossEntry
    data: TextData
    encoder: Encoder
    draws: tuple[int, ...]
    samples: tuple[Draw, ...]
    part: Part

    def evaluations(self, replicate: int) -> Generator[Evaluation, None, None]:
        seed = initialisation_seed(self.config.seed, self.draws[replicate])
        sample = self.samples[replicate]
        return evaluations(self.config, self.entry, self.data, self.encoder, sample, seed, self.part)


def replicates(
    config: TrialConfig, draws: Sequence[int] | None = None, *, first: int = 0, part: Part = "validation"
) -> Iterator[Report]:
    """Train on each of `draws` (default: 0 to `config.replicates` - 1), from position `first` on, and report after each of
    `config.evaluations` evenly spaced points, the last one at the last step.

    Metrics of a report: with the prefix `val_` or, for part "test", `test_`, `accuracy`, `macro_f1` and `weighted_f1` of
    the head (where beta is 0 and the head has learned nothing: of `trainable.inference.class_scores`), and `loss`, the
    cross-entropy of those scores in nats. Means over the steps since the last report: `train_loss`, and
    `train_cross_entropy` and `train_metric_loss` where they are part of it, and `gradient_norm`, before clipping. Since the
    last report: `train_seconds`, `eval_seconds`. Since the replicate's start: `tokens`, the real tokens trained on.

    Part "validation" never reads the test rows; "test" scores all of them. Stop iterating (`close`) to prune. A value that
    is not finite, memory that runs out, or any error that would come again ends the iterator with a report that has an
    outcome. Only one iterator can be at work in a process, since they share the encoder and the random state.

    Raises, at once, TrainableError for data, an encoder or a field that cannot serve; while iterating, RuntimeError where
    another iterator is at work, and torch.AcceleratorError where the device itself fails.
    """
    entry = LOSSES[config.loss.name]
    _check_pairs(config, entry)
    data = load(config.dataset)
    chosen = tuple(range(config.replicates) if draws is None else draws)
    samples = tuple(_sample(config, data, index) for index in chosen)
    encoder = load_encoder(config.encoder, config.encoder_revision, len(data.class_names))
    if config.max_length > encoder.longest_input:
        raise ConfigError(
            f"max_length must be at most {encoder.longest_input}, the longest input of {config.encoder}; received "
            f"{config.max_length}: lower it"
        )
    trial = _Trial(config=config, entry=entry, data=data, encoder=encoder, draws=chosen, samples=samples, part=part)
    return _reports(trial, first)


def _check_pairs(config: TrialConfig, entry: LossEntry) -> None:
    if entry.needs_pairs and config.beta < 1 and config.shots < 2 and config.embedding != "tokens":
        raise ConfigError(
            f"{entry.name} compares rows of one class, so shots must be at least 2; received {config.shots}: raise it, "
            "or let the loss see every token (embedding: tokens)"
        )


def _sample(config: TrialConfig, data: TextData, index: int) -> Draw:
    return few_shot_draw(
        data,
        sampling=config.sampling,
        shots=config.shots,
        validation=config.validation,
        index=index,
        seed=config.seed,
    )


def _reports(trial: _Trial, first: int) -> Iterator[Report]:
    with _exclusive():
        for replicate in range(first, len(trial.draws)):
            step = 0
            with closing(trial.evaluations(replicate)) as evaluated:
                for evaluation in range(1, trial.config.evaluations + 1):
                    at = partial(Report, draw=trial.draws[replicate], replicate=replicate, evaluation=evaluation)
                    report = _next_report(evaluated, at, step)
                    yield report
                    if report.outcome is not None:
                        return
                    step = report.step


def _next_report(evaluated: Iterator[Evaluation], at: Callable[..., Report], step: int) -> Report:
    """The next evaluation, or the outcome that ends the trial. step: the optimiser steps done so far, as far as known."""
    try:
        done = next(evaluated)
    except DivergedError as error:
        return at(step=error.step, outcome=Outcome.DIVERGED, reason=str(error))
    except Exception as error:
        if _is_device_failure(error):
            raise
        return at(step=step, outcome=Outcome.FAILED, reason=_reason(error), detail=traceback.format_exc())
    return at(step=done.step, metrics=done.metrics)


def _is_device_failure(error: Exception) -> bool:
    """Whether the accelerator or its driver failed, rather than the trial: the process cannot go on, another one may."""
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


@contextmanager
def _exclusive() -> Iterator[None]:
    if not _TRAINING.acquire(blocking=False):
        raise RuntimeError("another trial is being trained in this process: exhaust or close its iterator first")
    try:
        yield
    finally:
        _TRAINING.release()
