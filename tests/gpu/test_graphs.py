"""Training with captured CUDA graphs gives the numbers of eager training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.gpu.conftest import MemoryLeft
from tests.sweeps.tiny_encoders import SIZES, save_model, save_tokenizer
from trainable.config import TrialConfig
from trainable.encoder import graphs
from trainable.outcomes import Evaluation
from trainable.training import replicates

TIMES = {"train_seconds", "eval_seconds"}
PAIRS = {"bert", "albert", "electra"}  # encoders with segment ids


@pytest.fixture
def captured(monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    """The input shapes captured so far, a growing list."""
    shapes: list[torch.Size] = []
    begin = graphs._CapturedPass.__init__

    def spy(self: graphs._CapturedPass, model: Any, inputs: dict[str, torch.Tensor], *, hidden: bool) -> None:
        begin(self, model, inputs, hidden=hidden)
        shapes.append(inputs["input_ids"].shape)

    monkeypatch.setattr(graphs._CapturedPass, "__init__", spy)
    return shapes


def _encoder(model_type: str, folder: Path) -> str:
    from transformers import AutoConfig

    size = save_tokenizer(folder, start="<s>", end="</s>", pad="<pad>", unknown="<unk>", segments=model_type in PAIRS)
    names = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    config = AutoConfig.for_model(model_type, **SIZES, vocab_size=size, max_position_embeddings=130, **names)
    save_model(folder, config)
    return str(folder)


def _trial(config: TrialConfig, encoder: str, **fields: Any) -> TrialConfig:
    fields = {
        "loss": {"name": "soft_triple"},
        "beta": 0.5,
        "encoder": encoder,
        "encoder_lr": 1e-3,
        "steps": 10,
    } | fields
    return TrialConfig.model_validate(config.model_dump() | fields)


def _metrics(config: TrialConfig) -> Iterator[Evaluation]:
    for evaluation in replicates(config):
        assert evaluation.outcome is None, evaluation.detail
        yield replace(
            evaluation, metrics={name: evaluation.metrics[name] for name in evaluation.metrics.keys() - TIMES}
        )


def _eager(config: TrialConfig) -> list[Evaluation]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graphs, "_CAPTURED_SHAPES", 0)
        return list(_metrics(config))


def _assert_close(evaluations: list[Evaluation], others: list[Evaluation], tolerance: float) -> None:
    for evaluation, other in zip(evaluations, others, strict=True):
        for name, value in other.metrics.items():
            if not name.startswith("val_") or name == "val_loss":
                assert evaluation.metrics[name] == pytest.approx(value, rel=tolerance), name


@pytest.mark.parametrize("model_type", sorted(graphs._MODELS))
def test_every_encoder_that_is_captured_trains_as_it_does_eagerly(
    model_type: str, config: TrialConfig, tmp_path: Path, captured: list[torch.Size]
) -> None:
    """With dropout: both draw the same random numbers."""
    trial = _trial(config, _encoder(model_type, tmp_path), precision="fp32", embedding="mean")
    eager = _eager(trial)
    assert captured == []
    _assert_close(list(_metrics(trial)), eager, 1e-3)
    assert len(captured) == 2, "one in each replicate"


@pytest.mark.parametrize("fields", [{"loss": {"name": "cross_entropy"}, "beta": 1.0}, {"beta": 0.0}, {"beta": 0.5}])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_part_of_the_objective_is_trained(
    fields: dict[str, Any], precision: str, config: TrialConfig, tiny_bert: Path, captured: list[torch.Size]
) -> None:
    trial = _trial(config, str(tiny_bert), precision=precision, embedding="tokens", **fields)
    _assert_close(list(_metrics(trial)), _eager(trial), 1e-3 if precision == "fp32" else 0.05)
    assert len(captured) == 2


def test_batches_of_two_sizes_are_both_captured(
    config: TrialConfig, tiny_roberta: Path, captured: list[torch.Size]
) -> None:
    trial = _trial(config, str(tiny_roberta), precision="fp32", batch_size=10, steps=20, replicates=1, shots=11)
    _assert_close(list(_metrics(trial)), _eager(trial), 1e-3)
    assert sorted(rows for rows, _ in captured) == [7, 8]
    assert len({tokens for _, tokens in captured}) == 1


def test_few_steps_are_not_worth_a_capture(config: TrialConfig, tiny_bert: Path, captured: list[torch.Size]) -> None:
    list(_metrics(_trial(config, str(tiny_bert), steps=3)))
    assert captured == []


@pytest.mark.parametrize("mib", [10, 70, 130])
def test_memory_that_runs_out_around_a_capture_ends_one_trial_and_not_the_next(
    mib: int, config: TrialConfig, wide_bert: Path, memory_left: MemoryLeft
) -> None:
    """A capture takes somewhat more memory than eager training, which fits."""
    trial = _trial(config, str(wide_bert), encoder_lr=1e-5, replicates=1)
    torch.cuda.reset_peak_memory_stats()
    _eager(trial)
    with memory_left(torch.cuda.max_memory_reserved() + mib * 2**20):
        *_, last = replicates(trial)
        assert last.outcome is None or last.reason.startswith("out of memory: ")
        list(_metrics(config))
    list(_metrics(trial))
