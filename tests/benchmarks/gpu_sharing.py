"""The throughput of several trials at once on one GPU, in processes that train as workers of a sweep do."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from time import perf_counter
from typing import Any
from unittest.mock import patch

from trainable.config import TrialConfig

__all__ = ["sharing"]

TIME_LIMIT = 120  # seconds for one round


def sharing(config: TrialConfig, counts: Sequence[int], *, graphs: bool = True) -> list[dict[str, float]]:
    """Return the throughput of each count of processes that train one replicate each at the same time.

    The processes are the same throughout: they keep their encoders on the GPU, and wait while they have no work.

    graphs: whether they capture CUDA graphs.
    """
    context = get_context("spawn")
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, OMP_NUM_THREADS="2"))  # as Ray gives a trial of two CPUs
        lines = []
        for _ in range(max(counts)):
            line, other = context.Pipe()
            process = context.Process(target=work, args=(config, other, graphs), daemon=True)
            process.start()
            stack.callback(_end, process, line)
            lines.append(line)
        for line in lines:
            _receive(line)
        return _rounds(lines, config, counts)


def _rounds(lines: Sequence[Connection], config: TrialConfig, counts: Sequence[int]) -> list[dict[str, float]]:
    rounds: list[dict[str, float]] = []
    for count in counts:
        started = perf_counter()
        for line in lines[:count]:
            line.send(True)
        received = [_receive(line) for line in lines[:count]]
        wall = perf_counter() - started
        rounds.append(
            {
                "processes": count,
                "trainings_per_minute": 60 * count / wall,
                "ratio": count / wall / (rounds[0]["trainings_per_minute"] / 60) if rounds else 1.0,
                "step_ms": 1000 * max(result["train_seconds"] for result in received) / config.steps,
                "evaluation_seconds": max(result["eval_seconds"] for result in received) / config.evaluations,
                "reserved_gib": sum(result["reserved_gib"] for result in received),
            }
        )
    return rounds


def _end(process: SpawnProcess, line: Connection) -> None:
    with suppress(OSError):  # it may have ended with an error
        line.send(None)
    process.join(10)


def _receive(line: Connection) -> dict[str, Any]:
    if not line.poll(TIME_LIMIT):
        raise TimeoutError(f"a process that trains sent nothing for {TIME_LIMIT} s")
    result: dict[str, Any] = line.recv()
    return result


def work(config: TrialConfig, line: Connection, graphs: bool) -> None:
    """Train a replicate in this process at every message, and end at None."""
    from tests.benchmarks.gpu_measures import without_graphs

    train = _train if graphs else partial(without_graphs, _train)
    line.send(train(config.model_copy(update={"steps": 4, "evaluations": 1})))
    while line.recv() is not None:
        line.send(train(config))


def _train(config: TrialConfig) -> dict[str, float]:
    import torch

    from trainable.training import replicates

    evaluations = list(replicates(config))
    assert all(evaluation.outcome is None for evaluation in evaluations), evaluations[-1].reason
    sums = {
        name: sum(evaluation.metrics[name] for evaluation in evaluations) for name in ("train_seconds", "eval_seconds")
    }
    reserved = torch.cuda.max_memory_reserved() / 2**30 if torch.cuda.is_available() else 0.0
    return sums | {"reserved_gib": reserved}
