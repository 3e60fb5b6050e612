"""Pretrained encoders: finding and checking their files, loading and resetting them, training with CUDA graphs."""

from trainable.encoder.encoder import (
    Encoder,
    check_encoder,
    check_layers_of,
    free_accelerator,
    load_encoder,
)

__all__ = ["Encoder", "check_encoder", "check_layers_of", "free_accelerator", "load_encoder"]
