"""The cost of one training on a GPU: time, memory, utilisation, and the share of each part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from unittest.mock import patch

import torch

from tests.services.poll_while import poll_while
from trainable.batching import TokenisedRows
from trainable.config import TrialConfig
from trainable.encoder import Encoder, graphs
from trainable.objective import Objective
from trainable.outcomes import Evaluation
from trainable.training import replicates

__all__ = ["cost", "kernels", "phases", "without_graphs"]

PERIOD = 0.1  # seconds between two samples of the GPU's utilisation


def cost(config: TrialConfig) -> dict[str, Any]:
    """Return time, throughput and memory of one replicate, after an unmeasured one of few steps."""
    _train(config.model_copy(update={"steps": 4, "evaluations": 1}))
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    looks = Utilisation()
    with poll_while(looks.look, PERIOD):
        started = perf_counter()
        evaluations = _train(config)
        wall = perf_counter() - started
    train, evaluation = (
        sum(evaluation.metrics[name] for evaluation in evaluations) for name in ("train_seconds", "eval_seconds")
    )
    tokens, validated = evaluations[-1].metrics["tokens"], config.evaluations * int(config.validation)
    return {
        "loss": config.method,
        "precision": config.precision,
        "labels": config.shots,
        "training_seconds": wall,
        "step_ms": 1000 * train / config.steps,
        "evaluation_seconds": evaluation / config.evaluations,
        "other_seconds": wall - train - evaluation,
        "rows_per_second": min(int(config.shots), config.batch_size) * config.steps / train,
        "tokens_per_second": tokens / train,
        "validated_rows_per_second": validated / evaluation,
        "peak_gib": torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else None,
        "reserved_gib": torch.cuda.max_memory_reserved() / 2**30 if torch.cuda.is_available() else None,
        "utilisation": looks.mean,
    }


def without_graphs(measure: Callable[[TrialConfig], Any], config: TrialConfig) -> Any:
    """Return what `measure` gives for eager training, without captured CUDA graphs."""
    with patch.object(graphs, "_CAPTURED_SHAPES", 0):
        return measure(config)


def kernels(config: TrialConfig) -> dict[str, float] | None:
    """Return the number of kernels of one step, and the milliseconds that they keep the GPU busy; None without a GPU.

    Both are differences between trainings of more and of fewer steps.
    """
    if not torch.cuda.is_available():
        return None
    few, many = (
        _kernels(config.model_copy(update={"steps": steps, "evaluations": 1, "validation": 2})) for steps in (4, 20)
    )
    return {"kernels": (many[0] - few[0]) / 16, "busy_ms": (many[1] - few[1]) / 16}


def _kernels(config: TrialConfig) -> tuple[int, float]:
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as profiled:
        _train(config)
        _synchronise()
    averages = profiled.key_averages()
    return sum(kernel.count for kernel in averages), sum(kernel.self_device_time_total for kernel in averages) / 1000


def phases(config: TrialConfig) -> dict[str, float]:
    """Return the share of each phase in the wall time of a training.

    Phases are separated by waiting for the GPU before and after each, which makes the whole slower than without.
    """
    clock = PhaseClock()
    parts: list[tuple[Any, str, str]] = [
        (Encoder, "reset", "reset"),
        (TokenisedRows, "batch", "data"),
        (Objective, "__call__", "forward"),
        (torch.Tensor, "backward", "backward"),
        (torch.nn.utils, "clip_grad_norm_", "clipping"),
        (torch.optim.AdamW, "step", "optimiser"),
    ]
    import trainable.evaluation.scoring

    parts.append((trainable.evaluation.scoring, "run_encoder", "evaluation"))
    _train(config.model_copy(update={"steps": 4, "evaluations": 1}))
    patches = [patch.object(owner, name, clock.timed(getattr(owner, name), phase)) for owner, name, phase in parts]
    started = perf_counter()
    try:
        for timed in patches:
            timed.start()
        _train(config)
    finally:
        for timed in patches:
            timed.stop()
    wall = perf_counter() - started
    clock.seconds["other"] = wall - sum(clock.seconds.values())
    return {phase: seconds / wall for phase, seconds in clock.seconds.items()}


@dataclass(slots=True)
class PhaseClock:
    """Measures the time of phases; a call inside another one counts for the outer one.

    seconds: spent in each phase so far.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    _inside: bool = False

    def timed(self, function: Callable[..., Any], phase: str) -> Callable[..., Any]:
        """Return `function` with its time added to `phase`."""

        def call(*given: Any, **named: Any) -> Any:
            if self._inside:
                return function(*given, **named)
            _synchronise()
            self._inside, started = True, perf_counter()
            try:
                return function(*given, **named)
            finally:
                _synchronise()
                self._inside = False
                self.seconds[phase] = self.seconds.get(phase, 0.0) + perf_counter() - started

        return call


@dataclass(slots=True)
class Utilisation:
    """Samples the share of time in which a kernel was running, as the GPU's driver measures it."""

    looks: list[int] = field(default_factory=list)

    def look(self) -> None:
        """Take one sample."""
        if torch.cuda.is_available():
            self.looks.append(torch.cuda.utilization())

    @property
    def mean(self) -> float | None:
        """The mean share, from 0 to 1; None without a GPU."""
        return sum(self.looks) / len(self.looks) / 100 if self.looks else None


def _train(config: TrialConfig) -> list[Evaluation]:
    evaluations = list(replicates(config))
    failed = [evaluation.reason for evaluation in evaluations if evaluation.outcome is not None]
    if failed:
        raise RuntimeError(f"{config.method} in {config.precision} failed: {failed[0]}")
    _synchronise()
    return evaluations


def _synchronise() -> None:
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
