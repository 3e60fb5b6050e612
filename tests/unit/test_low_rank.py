"""Updates of low rank in place of an encoder's matrices (LoRA): the paper's method, and what it leaves as it was."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn.utils import parametrize

from tests.sweeps.tiny_encoders import write_architecture
from trainable.config import DatasetConfig, TrialConfig
from trainable.encoder import load_encoder
from trainable.encoder.layers import depths
from trainable.low_rank import ALPHA, low_rank_updates
from trainable.outcomes import Evaluation
from trainable.training import replicates

RANK = 3


@pytest.fixture
def config(tiny_bert: Path, toy_csv: Path) -> TrialConfig:
    return TrialConfig(
        dataset=DatasetConfig(name="toy", path=str(toy_csv)),
        shots=4,
        encoder=str(tiny_bert),
        embedding="mean",
        encoder_lr=3e-2,
        lora_rank=RANK,
        steps=4,
        replicates=1,
        evaluations=1,
    )


def changed(config: TrialConfig, **fields: Any) -> TrialConfig:
    return TrialConfig.model_validate(config.model_dump(exclude={"proxy_lr", "beta"}) | fields)


def trained(config: TrialConfig) -> Evaluation:
    *_, evaluation = replicates(config)
    assert evaluation.outcome is None, evaluation.detail
    return evaluation


def differences(config: TrialConfig) -> dict[str, Tensor]:
    """What a training added to each pretrained weight."""
    trained(config)
    encoder = load_encoder(config.encoder, None, 2)
    state = encoder.model.state_dict()
    return {name: state[name].cpu() - weight for name, weight in encoder.pretrained.items()}


class Product(nn.Module):
    """The paper's layer: a frozen matrix plus the scaled product of two factors, differentiated by the library."""

    def __init__(self, a: Tensor, b: Tensor) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(a.detach().clone()), nn.Parameter(b.detach().clone())

    def forward(self, start: Tensor) -> Tensor:
        return start + ALPHA / RANK * self.b @ self.a


def test_a_training_is_that_of_the_paper(config: TrialConfig) -> None:
    encoder = load_encoder(config.encoder, None, 2)
    encoder.reset(0)
    encoder.model.requires_grad_(True)
    encoder.model.zero_grad()  # other tests of the process may have left gradients
    updates = low_rank_updates(config, encoder, None, seed=7)
    assert updates is not None
    encoder.model.train(False)
    paper = copy.deepcopy(encoder.model).requires_grad_(False)
    factors, products = [], []
    for name, module in list(paper.named_modules()):
        ours = encoder.model.get_submodule(name)
        if isinstance(module, nn.Linear) and isinstance(ours, nn.Linear):
            pair = updates.factors_of(ours.weight)
            if not pair:
                continue
            factors += pair
            products.append(Product(*pair))
            parametrize.register_parametrization(module, "weight", products[-1])
    assert len(products) == 6 * 2 + 1, "query, key, value and three dense layers of two layers, and the pooler"
    rows = {"input_ids": torch.arange(3, 21).reshape(2, 9), "attention_mask": torch.ones(2, 9, dtype=torch.long)}
    theirs = [weight for product in products for weight in (product.a, product.b)]
    for model, weights in ((encoder.model, factors), (paper, theirs)):
        optimiser = torch.optim.AdamW(weights, lr=1e-2)
        for _ in range(4):
            model(**rows).logits.square().sum().backward()
            if model is encoder.model:
                updates.take_gradients()
            optimiser.step()
            if model is encoder.model:
                updates.apply()
            optimiser.zero_grad()
    for mine, other in zip(factors, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(encoder.model(**rows).logits, paper(**rows).logits, rtol=1e-4, atol=1e-6)
    still = [number for number, factor in enumerate(factors) if not bool(factor.detach().any())]
    assert not still, "the factors that start at zero have learned"


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "albert", "deberta-v2", "gpt2", "modernbert", "xlm"])
def test_matrices_change_by_the_rank_and_nothing_else_of_the_encoder_does(
    kind: str, config: TrialConfig, tmp_path: Path
) -> None:
    trial = changed(config, encoder=str(write_architecture(tmp_path, kind)))
    changes = {name: each for name, each in differences(trial).items() if float(each.norm()) > 0}
    encoder = load_encoder(trial.encoder, None, 2)
    embeddings = {id(module.weight) for module in encoder.model.modules() if isinstance(module, nn.Embedding)}
    parameters = dict(encoder.model.named_parameters())
    assert changes, "nothing was trained"
    for name, change in changes.items():
        assert id(parameters[name]) not in embeddings, name
        assert change.ndim == 2, name
        assert int(torch.linalg.matrix_rank(change, rtol=1e-3)) <= RANK, name


def test_frozen_layers_have_no_update(config: TrialConfig) -> None:
    depth_of = depths(load_encoder(config.encoder, None, 2).model)
    for name, change in differences(changed(config, frozen_layers=1)).items():
        assert float(change.norm()) == 0 or depth_of[name] > 1, name


def test_a_trial_of_all_weights_is_the_same_before_and_after(config: TrialConfig) -> None:
    plain = changed(config, lora_rank=0, encoder_lr=3e-3)
    metrics = [trained(plain).metrics, trained(config).metrics, trained(plain).metrics]
    losses = [each["val_loss"] for each in metrics]
    assert losses[0] == losses[2] != losses[1]
    encoder = load_encoder(config.encoder, None, 2)
    assert all(weight.requires_grad for weight in encoder.model.parameters())


def test_it_learns_and_the_same_trial_is_the_same(config: TrialConfig) -> None:
    trial = changed(config, shots=12, steps=40)
    first, again = trained(trial).metrics, trained(trial).metrics
    assert first["val_accuracy"] > 0.75
    assert first["val_loss"] == again["val_loss"]


def test_layers_that_start_at_random_are_refused_beside_it(config: TrialConfig) -> None:
    with pytest.raises(ValidationError, match=r"received lora_rank=3, new_layers=1: leave one of them out"):
        changed(config, new_layers=1)
    with pytest.raises(ValidationError, match=r"received lora_rank=3: leave them out"):
        changed(config, compatibility="published")
