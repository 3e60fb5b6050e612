"""What holds for every architecture of encoders; a new one is covered by its line in `tests.sweeps.tiny_encoders`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.sweeps.tiny_encoders import KINDS, SIZES, write_encoder
from trainable.config import DatasetConfig, TrialConfig
from trainable.encoder.encoder import Encoder, load_encoder
from trainable.outcomes import Evaluation
from trainable.training import replicates

CLASSES = 3
TIMES = {"train_seconds", "eval_seconds"}


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved encoder without a head, of one architecture after the other."""
    return write_encoder(tmp_path_factory.mktemp("encoder"), request.param)


@pytest.fixture
def encoder(folder: Path) -> Encoder:
    loaded = load_encoder(str(folder), None, CLASSES)
    loaded.model.train(False)
    loaded.reset(0)
    return loaded


def weights(encoder: Encoder) -> dict[str, Tensor]:
    return {name: weight.clone() for name, weight in encoder.model.state_dict().items()}


def assert_same(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    assert found.keys() == wanted.keys()
    assert not [name for name in wanted if not torch.equal(found[name], wanted[name])]


def run(encoder: Encoder, *texts: str) -> tuple[Tensor, Tensor]:
    """Logits, and the last hidden state of each row's first token."""
    with torch.no_grad():
        tokens = encoder.tokenizer(list(texts), padding=True, return_tensors="pt")
        outputs = encoder.model(**tokens, output_hidden_states=True)
    return outputs.logits, outputs.hidden_states[-1][:, 0]


# ---- loading


def test_every_weight_of_the_checkpoint_is_loaded_and_the_head_alone_is_new(encoder: Encoder, folder: Path) -> None:
    saved, body = load_file(folder / "model.safetensors"), encoder.model.base_model.state_dict()
    assert_same(body, {name: weight for name, weight in saved.items() if name in body})
    assert not [name for name in saved.keys() - body.keys() if "pooler" not in name]  # some heads have none
    assert encoder.new
    assert not [name for name in encoder.new if name.startswith(f"{encoder.model.base_model_prefix}.")]
    assert encoder.pretrained.keys() | encoder.new == encoder.model.state_dict().keys()
    assert not encoder.pretrained.keys() & encoder.new


def test_the_sizes_are_those_of_the_checkpoint(encoder: Encoder) -> None:
    logits_NC, first_ND = run(encoder, "a good film", "the film is bad")
    assert logits_NC.shape == (2, CLASSES)
    assert first_ND.shape == (2, encoder.embedding_size)
    assert encoder.embedding_size == SIZES["hidden_size"]
    assert encoder.model.config.num_labels == CLASSES
    assert {parameter.dtype for parameter in encoder.model.parameters()} == {torch.float32}


def test_the_longest_input_can_be_read(encoder: Encoder) -> None:
    assert encoder.longest_input == 128
    tokens = encoder.tokenizer("film " * 500, truncation=True, max_length=encoder.longest_input, return_tensors="pt")
    assert tokens["input_ids"].shape == (1, 128)
    with torch.no_grad():
        assert encoder.model(**tokens).logits.isfinite().all()


def test_padding_does_not_change_a_row(encoder: Encoder) -> None:
    alone, beside_a_longer_one = run(encoder, "a good film"), run(encoder, "a good film", "bad " * 40)
    for one, two in zip(alone, beside_a_longer_one, strict=True):
        torch.testing.assert_close(two[:1], one, rtol=1e-4, atol=1e-5)


def test_the_head_of_a_fine_tuned_checkpoint_is_new_under_every_seed(encoder: Encoder, tmp_path: Path) -> None:
    encoder.reset(5)
    encoder.model.save_pretrained(tmp_path)
    encoder.tokenizer.save_pretrained(tmp_path)
    for classes in (CLASSES, CLASSES + 1):
        again = load_encoder(str(tmp_path), None, classes)
        assert not [name for name in again.pretrained if name.startswith(("classifier", "pre_classifier", "pooler"))]
        again.reset(6)
        first = weights(again)
        again.reset(7)
        assert [name for name, weight in weights(again).items() if not torch.equal(weight, first[name])]
    assert_same(again.model.base_model.state_dict(), encoder.model.base_model.state_dict())


# ---- resetting


def test_reset_brings_back_every_weight_to_the_last_bit(encoder: Encoder) -> None:
    encoder.reset(7)
    before = weights(encoder)
    with torch.no_grad():
        for parameter in encoder.model.parameters():
            parameter.add_(1.0)
    encoder.reset(7)
    assert_same(weights(encoder), before)


def test_each_seed_draws_another_head_and_no_other_body(encoder: Encoder) -> None:
    encoder.reset(1)
    first = weights(encoder)
    encoder.reset(2)
    second = weights(encoder)
    matrices = {name for name in encoder.new if first[name].ndim > 1}
    assert matrices
    assert {name for name in first if not torch.equal(first[name], second[name])} == matrices
    encoder.reset(1)
    assert_same(weights(encoder), first)


def test_reset_leaves_the_global_random_state_alone(encoder: Encoder) -> None:
    before = torch.get_rng_state()
    encoder.reset(3)
    assert torch.equal(before, torch.get_rng_state())


# ---- training


def trained(config: TrialConfig) -> tuple[list[Evaluation], dict[str, Tensor]]:
    """All evaluations, but for their times, and the weights in the end."""
    evaluations = [
        replace(each, metrics={name: value for name, value in each.metrics.items() if name not in TIMES})
        for each in replicates(config)
    ]
    return evaluations, weights(load_encoder(config.encoder, None, 2))


def test_training_moves_the_encoder_and_is_repeated_to_the_last_bit(folder: Path, toy_csv: Path) -> None:
    config = TrialConfig(
        dataset=DatasetConfig(name="toy", path=str(toy_csv)),
        shots=4,
        encoder=str(folder),
        encoder_lr=3e-3,
        steps=2,
        replicates=1,
        evaluations=1,
    )
    (evaluation,), after = trained(config)
    assert evaluation.outcome is None
    (again,), after_again = trained(config)
    assert again == evaluation
    assert_same(after_again, after)
    encoder = load_encoder(str(folder), None, 2)
    moved = [name for name, weight in encoder.pretrained.items() if not torch.equal(weight, after[name])]
    assert len(moved) > len(encoder.pretrained) / 2
