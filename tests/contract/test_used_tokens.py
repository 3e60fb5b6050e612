"""Training the token embeddings that the rows contain comes to what training all of them comes to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.sweeps.tiny_encoders import ARCHITECTURES, KINDS, write_architecture
from trainable.config import TrialConfig
from trainable.encoder import Encoder, load_encoder, used_tokens
from trainable.training import replicates

TRAINABLE = sorted({*KINDS, "gpt2", "modernbert", "data2vec-text", "longformer", "squeezebert", "mobilebert", "xlm"})
SMALL = {"dataset": {"name": "support"}, "shots": 2, "validation": 12, "steps": 4, "replicates": 1, "evaluations": 2}
DECAYING = {"encoder_lr": 1e-2, "weight_decay": 0.5, "loss": {"name": "soft_triple"}, "beta": 0.5}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    kinds = dict.fromkeys((*KINDS, *ARCHITECTURES))
    return {kind: write_architecture(tmp_path_factory.mktemp(kind), kind) for kind in kinds}


@pytest.fixture(autouse=True)
def worthwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vocabulary of the tiny encoders has 95 tokens, of which a few rows have most."""
    monkeypatch.setattr(used_tokens, "_WORTHWHILE", 1.0)


def trained(folder: Path, **fields: Any) -> tuple[list[dict[str, float]], dict[str, torch.Tensor]]:
    """The metrics of each evaluation, and the weights after the last one."""
    config = TrialConfig.model_validate({"encoder": str(folder), "embedding": "mean", **SMALL, **DECAYING, **fields})
    metrics = [dict(evaluation.metrics) for evaluation in replicates(config)]
    return metrics, {name: weight.clone() for name, weight in encoder_of(folder, 8).model.state_dict().items()}


def encoder_of(folder: Path, classes: int) -> Encoder:
    return load_encoder(str(folder), None, classes)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each training has had a matrix of its used tokens."""
    found: list[bool] = []
    build = used_tokens.used_tokens

    def watched(*arguments: Any) -> Any:
        used = build(*arguments)
        found.append(used is not None)
        return used

    monkeypatch.setattr(used_tokens, "used_tokens", watched)
    return found


@pytest.mark.parametrize("kind", TRAINABLE)
def test_scores_and_weights_are_those_of_training_all(
    kind: str, folders: dict[str, Path], seen: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics, weights = trained(folders[kind])
    assert seen == [True]
    monkeypatch.setattr(used_tokens, "used_tokens", lambda *arguments: None)
    expected, wanted = trained(folders[kind])
    for found, right in zip(metrics, expected, strict=True):
        for name in ("train_loss", "gradient_norm", "val_loss", "val_accuracy"):
            assert found[name] == pytest.approx(right[name], rel=1e-3)
    for name, weight in wanted.items():
        torch.testing.assert_close(weights[name], weight, rtol=1e-3, atol=2e-4)


def test_the_others_decay(folders: dict[str, Path]) -> None:
    before = encoder_of(folders["bert"], 8).pretrained["bert.embeddings.word_embeddings.weight"]
    weights = trained(folders["bert"])[1]["bert.embeddings.word_embeddings.weight"]
    shares_V = (weights / before).median(dim=1).values
    unused_V = shares_V[(weights - shares_V[:, None] * before).abs().max(dim=1).values < 1e-6]
    assert len(unused_V) > 3
    assert float(unused_V.std()) < 1e-5
    assert 0.95 < float(unused_V.mean()) < 0.999


@pytest.mark.parametrize("fields", [{"frozen_layers": 1}, {"compatibility": "published", "loss": {"name": "supcon"}}])
def test_frozen_embeddings_and_published_trainings_have_none(
    fields: dict[str, Any], folders: dict[str, Path], seen: list[bool]
) -> None:
    trained(folders["bert"], **fields)
    assert not any(seen)


def test_most_of_a_vocabulary_is_trained_as_a_whole(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    model = encoder_of(folders["bert"], 3).model
    model.requires_grad_(True)
    assert used_tokens.used_tokens(model, np.arange(40, dtype=np.int32), 1) is not None
    monkeypatch.setattr(used_tokens, "_WORTHWHILE", 0.25)
    assert used_tokens.used_tokens(model, np.arange(40, dtype=np.int32), 1) is None


def test_the_encoder_is_as_it_was_after_an_error(folders: dict[str, Path]) -> None:
    model = encoder_of(folders["roberta"], 3).model
    model.requires_grad_(True)
    table: Any = model.get_input_embeddings()
    used = used_tokens.used_tokens(model, np.arange(9, dtype=np.int32), 1)
    assert used is not None
    before = table.weight.detach().clone()

    def interrupted() -> None:
        with used.training():
            assert not table.weight.requires_grad
            with pytest.raises(IndexError):
                table(torch.tensor([[3, 20]]))  # 20 is none of the nine
            used.weight.data.add_(1.0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert table.weight.requires_grad
    assert not table._forward_hooks
    torch.testing.assert_close(table.weight[:9], before[:9] + 1)
    assert torch.equal(table.weight[9:], before[9:])
    model.load_state_dict({**model.state_dict(), **encoder_of(folders["roberta"], 3).pretrained})
