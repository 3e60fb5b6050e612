"""A copy of a trained encoder, with what its folder states for after the pooling."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from trainable.classifier import Classifier
from trainable.encoder.pooling import module_config, stated_layers
from trainable.encoder.stated import kept_numbers

if TYPE_CHECKING:
    from trainable.config import TrialConfig
    from trainable.encoder import Encoder
    from trainable.recipes.entry import Trial

__all__ = ["kept_encoder", "stated_arrays"]


def kept_encoder(trial: Trial, encoder: Encoder, *, own: bool = False) -> Classifier:
    """Return a classifier with a copy of the encoder as it is, and no head yet but the encoder's own."""
    config = trial.config
    embedding = encoder.embedding_for(config.embedding, published=config.published)
    whole = not encoder.behaviour.body_alone
    source = encoder.model if own or whole else encoder.model.base_model
    layers, arrays = ((), {}) if own else _layers(config, encoder)
    return Classifier(
        labels=trial.data.class_names,
        model=copy.deepcopy(source).cpu().float().eval().requires_grad_(False),
        tokenizer=copy.deepcopy(encoder.tokenizer),
        head={"kind": "own"},
        arrays=arrays,
        pooling=("cls" if config.published else "mean") if embedding == "tokens" else embedding,
        layers=layers,
        prompt=encoder.prompt(config.prompt),
        max_length=config.max_length,
        paired=trial.data.pool.pairs is not None,
        whole=whole,
    )


def _layers(config: TrialConfig, encoder: Encoder) -> tuple[list[dict[str, Any]], dict[str, torch.Tensor]]:
    """Return the fields and the weights of what follows the pooling."""
    modules = encoder.modules_for(config.embedding)
    return (
        ([], {}) if modules is None else stated_arrays(encoder.name, encoder.revision, _by_place(modules.state_dict()))
    )


def _by_place(state: Mapping[str, torch.Tensor]) -> dict[int, dict[str, torch.Tensor]]:
    """The weights of a chain of modules by their places in it."""
    found: dict[int, dict[str, torch.Tensor]] = {}
    for name, weight in state.items():
        _, place, own = name.split(".", 2)
        found.setdefault(int(place), {})[own] = weight
    return found


def stated_arrays(
    name: str, revision: str | None, states: Mapping[int, Mapping[str, torch.Tensor]]
) -> tuple[list[dict[str, Any]], dict[str, torch.Tensor]]:
    """Return the fields and the weights of what an encoder's folder states for after the pooling."""
    layers: list[dict[str, Any]] = []
    arrays: dict[str, torch.Tensor] = {}
    for place, (kind, folder) in enumerate(stated_layers(name, revision)):
        if kind == "Normalize":
            layers.append({"kind": kind})
            continue
        stated = module_config(folder)
        activation = str(stated.get("activation_function", "Tanh")).rsplit(".", 1)[-1]
        layers.append({"kind": kind, "activation": activation, "added": bool(stated.get("use_residual", False))})
        names = {"weight": "linear.weight", "bias": "linear.bias", "residual": "residual.weight"}
        found = {part: states.get(place, {}).get(own) for part, own in names.items()}
        arrays |= {f"layers.{place}.{part}": each.cpu().clone() for part, each in found.items() if each is not None}
    cut = kept_numbers(name, revision)
    return layers if cut is None else [*layers, {"kind": "Cut", "size": cut}], arrays
