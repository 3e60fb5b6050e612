"""The depth of each weight of an encoder: token embeddings, layer by layer, and what follows the last layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from trainable.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

__all__ = ["check_layer_count", "check_layers", "depths", "layer_count", "new_weights"]

_LAST = ("pooler", "final_layer_norm", "project_out")
"""What runs after the last layer in all architectures, also where it is declared before the first one."""
_FIRST = ("project_in", "relative_attention_bias", "rel_embeddings")
"""What the first layer reads in all architectures, and in some every layer, also where it is declared after them."""
_FIRST_OF = {"deberta-v2": ("encoder.LayerNorm", "encoder.conv")}
"""The same of single kinds, by their `model_type`: what scales relative positions, and runs beside the first layer."""


def depths(model: PreTrainedModel) -> Mapping[str, int]:
    """Return the depth of each parameter of the body by name: 0 for what comes before the first layer or is read by all
    of them, as relative positions are, i for layer i of L, and L + 1 for what comes after the last one.

    Raises ConfigError for an encoder without a list of layers, as ALBERT, whose layers share their weights.
    """
    prefixes, count = _layers(model)
    first = (*_FIRST, *_FIRST_OF.get(model.config.model_type, ()))
    behind, depth_of = False, {}  # behind: whether the layers have been declared
    for name, _ in model.base_model.named_parameters():
        prefix = next((each for each in prefixes if name.startswith(each)), None)
        if prefix is not None:
            behind, depth = True, int(name.removeprefix(prefix).split(".")[0]) + 1
        elif any(each in name for each in first):
            depth = 0
        else:
            depth = count + 1 if behind or any(each in name for each in _LAST) else 0
        depth_of[f"{model.base_model_prefix}.{name}"] = depth
    return depth_of


def layer_count(model: PreTrainedModel) -> int:
    """Return the number of layers. Raises ConfigError for an encoder without a list of them."""
    return _layers(model)[1]


def check_layers(model: PreTrainedModel, *, frozen: int, new: int) -> None:
    """Raise ConfigError if the encoder has fewer layers than are frozen and drawn anew, or no list of them."""
    check_layer_count(layer_count(model), frozen=frozen, new=new)


def check_layer_count(layers: int, *, frozen: int, new: int) -> None:
    """Raise ConfigError if so many layers are fewer than those that are frozen and drawn anew."""
    if frozen + new > layers:
        raise ConfigError(
            f"frozen_layers and new_layers must be at most the {layers} layers of the encoder together; received "
            f"frozen_layers={frozen}, new_layers={new}: lower one of them"
        )


def new_weights(model: PreTrainedModel, new: int) -> frozenset[str]:
    """Return the names of the weights of the `new` highest layers, and of what follows the last one
    (Zhang et al., 2021: arXiv:2006.05987). None for `new` = 0."""
    if not new:
        return frozenset()
    lowest = layer_count(model) - new + 1
    return frozenset(name for name, depth in depths(model).items() if depth >= lowest)


def _layers(model: PreTrainedModel) -> tuple[tuple[str, ...], int]:
    """Return the prefixes of the names of the layers' weights within the body, and the number of layers. Most
    architectures have one list of layers, XLM one each of their attentions, networks and norms."""
    from torch.nn import ModuleList

    count = getattr(model.config, "num_hidden_layers", None)
    lists: list[tuple[str, nn.ModuleList]] = [
        (name, module)
        for name, module in model.base_model.named_modules()
        if isinstance(module, ModuleList) and len(module) == count
    ]
    if not lists:
        raise ConfigError(
            "layer_decay, frozen_layers and new_layers need an encoder whose layers have weights of their own; "
            f"{model.config.model_type} has no list of such layers: leave them out"
        )
    largest, layers = max(lists, key=lambda each: sum(weight.numel() for weight in each[1].parameters()))
    stack = largest.rpartition(".")[0]
    return tuple(f"{name}." for name, _ in lists if name.rpartition(".")[0] == stack), len(layers)
