"""Whether what a trial trains of its encoder exists, and is seen by its loss: layers that are frozen, drawn anew or
slowed down, and linear layers that have updates of low rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainable.encoder import light_encoder
from trainable.encoder.encoder import PROVEN
from trainable.encoder.layers import check_layer_count, check_layers, depths
from trainable.encoder.places import place_of
from trainable.encoder.reading import read_config
from trainable.errors import ConfigError
from trainable.losses import LOSSES

if TYPE_CHECKING:
    from trainable.config import TrialConfig
    from trainable.encoder import Encoder

__all__ = ["check_trained", "check_trained_of"]

_SHARED = frozenset({"albert"})  # of the proven kinds, those whose layers share their weights
_COUNTS = ("num_hidden_layers", "n_layer", "n_layers")  # what configurations call the number of layers


def check_trained(config: TrialConfig, encoder: Encoder) -> None:
    """Raise ConfigError for fields that ask for layers which the encoder lacks, and where nothing is left to train."""
    if _changes_layers(config):
        check_layers(encoder.model, frozen=config.frozen_layers, new=config.new_layers)
    if config.frozen_layers or config.lora_rank:
        _check_learns(config, trained=_trains(config, encoder))


def check_trained_of(config: TrialConfig) -> None:
    """Check the same before any training: from the configuration of encoders of well-known kinds alone, and by loading
    others whose weights are small.

    Raises EncoderError if the encoder cannot be read, and ConfigError as `check_trained` does.
    """
    if config.loss is None or not (_changes_layers(config) or config.lora_rank):
        return
    stated = read_config(config.encoder, place_of(config.encoder, config.encoder_revision), config.encoder_revision)
    layers = next((stated[key] for key in _COUNTS if key in stated), None)
    if isinstance(layers, int) and _changes_layers(config):
        check_layer_count(layers, frozen=config.frozen_layers, new=config.new_layers)
    if stated.get("model_type") in PROVEN - _SHARED and not stated.get("is_decoder"):
        own_dense = _head_is_own(config)  # what follows the last layer in these kinds
        _check_learns(config, trained=own_dense or not isinstance(layers, int) or config.frozen_layers < layers)
    elif (encoder := light_encoder(config.encoder, config.encoder_revision)) is not None:
        check_trained(config, encoder)


def _changes_layers(config: TrialConfig) -> bool:
    return bool(config.layer_decay < 1 or config.frozen_layers or config.new_layers)


def _head_is_own(config: TrialConfig) -> bool:
    return config.head == "checkpoint" and config.beta > 0


def _trains(config: TrialConfig, encoder: Encoder) -> bool:
    """Return whether a weight of the encoder that its embeddings, or its own head, depend on is trained."""
    from trainable.low_rank import linear_weights

    body, linear = encoder.model.base_model, linear_weights(encoder.model.base_model)
    depth_of = depths(encoder.model) if config.frozen_layers else {}
    within = {id(weight) for weight in body.parameters()}
    after = encoder.modules_for(config.embedding)
    if after is not None and not config.lora_rank and any(True for _ in after.parameters()):
        return True
    return any(
        id(weight) in within
        and name not in encoder.new
        and ("pooler" not in name or _head_is_own(config))
        and depth_of.get(name, config.frozen_layers + 1) > config.frozen_layers
        and (not config.lora_rank or id(weight) in linear)
        for name, weight in encoder.model.named_parameters()
    )


def _check_learns(config: TrialConfig, *, trained: bool) -> None:
    if trained:
        return
    frozen = f"frozen_layers={config.frozen_layers}"
    if config.lora_rank:
        others = f" beyond its frozen layers; received {frozen}: lower it, or" if config.frozen_layers else ":"
        raise ConfigError(
            f"lora_rank trains linear layers of the encoder; {config.encoder!r} has none{others} leave lora_rank out"
        )
    entry = LOSSES[config.fine_tuned_with.name]
    if config.beta == 0 and not entry.has_proxies and config.projection is None:
        raise ConfigError(
            f"{config.method} learns in the layers of the encoder alone; received {frozen}, "
            f"which is all of {config.encoder!r}: lower it"
        )
