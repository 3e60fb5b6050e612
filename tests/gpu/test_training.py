"""Training on a GPU: every loss, the same scores again, and how far they are from those of the CPU."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from trainable.batching import Batch
from trainable.config import TrialConfig
from trainable.encoder import load_encoder
from trainable.losses import LOSSES
from trainable.objective import Objective, Terms
from trainable.outcomes import Evaluation, Outcome
from trainable.training import Part, replicates

TIMES = {"train_seconds", "eval_seconds"}
FP32 = 1e-3
"""How far a loss may be from the CPU's after 10 steps in fp32, relatively: sums are taken in another order."""
BF16 = 0.1
"""The same of bf16, which keeps 8 bits of each factor."""


def _with(config: TrialConfig, **fields: Any) -> TrialConfig:
    return TrialConfig.model_validate(config.model_dump() | fields)


def _of(loss: str, config: TrialConfig, **fields: Any) -> TrialConfig:
    return _with(config, loss={"name": loss}, beta=1.0 if LOSSES[loss].build is None else 0.5, **fields)


def _evaluations(config: TrialConfig, part: Part = "validation") -> list[Evaluation]:
    """All evaluations, without times."""
    return [
        replace(evaluation, metrics={name: value for name, value in evaluation.metrics.items() if name not in TIMES})
        for evaluation in replicates(config, part=part)
    ]


@pytest.fixture
def on_cpu() -> Iterator[pytest.MonkeyPatch]:
    """Hides the GPU from training until `undo` is called."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: False)
        yield patch


@pytest.mark.parametrize("embedding", ["mean", "tokens"])
@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_every_loss_trains_and_gives_the_same_evaluations_again(loss: str, embedding: str, config: TrialConfig) -> None:
    trial = _of(loss, config, embedding=embedding)
    evaluations = _evaluations(trial)
    assert next(load_encoder(trial.encoder, None, 2).model.parameters()).is_cuda
    assert [evaluation.outcome for evaluation in evaluations] == [None] * 4
    assert all(math.isfinite(value) for evaluation in evaluations for value in evaluation.metrics.values())
    for first, last in (evaluations[:2], evaluations[2:]):
        assert last.metrics["train_loss"] < first.metrics["train_loss"]
        assert last.metrics["val_accuracy"] > 0.75  # always guessing one class gives a half
    torch.rand(10, device="cuda")  # whatever happens in between
    assert _evaluations(trial) == evaluations, "bit-equal"


@pytest.mark.parametrize("loss", ["cross_entropy", "soft_triple", "supcon"])
def test_the_test_part_gives_the_same_evaluations_again(loss: str, config: TrialConfig) -> None:
    trial = _of(loss, config, embedding="tokens", compatibility="published")
    evaluations = _evaluations(trial, "test")
    assert all(evaluation.metrics["test_accuracy"] > 0.75 for evaluation in evaluations)
    assert _evaluations(trial, "test") == evaluations


@pytest.mark.parametrize("fields", [{"batch_size": 5}, {"batch_size": 6, "sampling": "random", "shots": 17}])
@pytest.mark.parametrize("loss", ["cross_entropy", "soft_triple", "supcon"])
def test_batches_that_change_train_too(loss: str, fields: dict[str, Any], config: TrialConfig) -> None:
    trial = _of(loss, config, **fields)
    evaluations = _evaluations(trial)
    assert all(
        evaluation.outcome is None and evaluation.metrics["val_accuracy"] > 0.5 for evaluation in evaluations[1::2]
    )
    assert _evaluations(trial) == evaluations


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", FP32), ("bf16", BF16)])
@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_the_gpu_trains_what_the_cpu_trains(
    loss: str, precision: str, tolerance: float, config: TrialConfig, steady_bert: Path, on_cpu: pytest.MonkeyPatch
) -> None:
    trial = _of(loss, config, encoder=str(steady_bert), encoder_lr=1e-3, embedding="mean", steps=10)
    expected = _evaluations(_with(trial, precision="fp32"))
    on_cpu.undo()
    for evaluation, other in zip(_evaluations(_with(trial, precision=precision)), expected, strict=True):
        assert evaluation.metrics.keys() == other.metrics.keys()
        assert evaluation.metrics["tokens"] == other.metrics["tokens"]
        for name in ("train_loss", "val_loss"):
            assert evaluation.metrics[name] == pytest.approx(other.metrics[name], rel=tolerance), name
        assert evaluation.metrics["val_accuracy"] == pytest.approx(other.metrics["val_accuracy"], abs=tolerance)


def test_precision_is_bf16_unless_told_otherwise(config: TrialConfig) -> None:
    automatic, bf16, fp32 = (_evaluations(_with(config, precision=precision)) for precision in ("auto", "bf16", "fp32"))
    assert automatic == bf16
    assert automatic[0].metrics["train_loss"] != fp32[0].metrics["train_loss"]


def test_a_loss_that_is_not_finite_is_found_within_16_steps(
    config: TrialConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []
    call = Objective.__call__

    def spy(self: Objective, model: Any, batch: Batch, *, bf16: bool) -> Terms:
        begun.append(batch)
        return call(self, model, batch, bf16=bf16)

    monkeypatch.setattr(Objective, "__call__", spy)
    trial = _with(config, evaluations=1).model_copy(update={"encoder_lr": 1e30, "warmup": 0.0})
    (last,) = replicates(trial)
    assert last.outcome is Outcome.DIVERGED
    assert 1 <= last.step <= 3, "the step itself, not that of the check"
    assert last.reason.endswith(f"at step {last.step} of 40")
    assert len(begun) == 16, "one check for 16 steps, since a check waits for the device"
    assert all(evaluation.outcome is None for evaluation in replicates(config)), (
        "the next trial starts from sound weights"
    )
