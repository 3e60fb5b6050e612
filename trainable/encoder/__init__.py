"""Pretrained encoders: finding and checking their files, loading and resetting them, training with CUDA graphs."""

from trainable.encoder.encoder import (
    Encoder,
    check_encoder,
    free_accelerator,
    light_encoder,
    load_encoder,
)

__all__ = ["Encoder", "check_encoder", "free_accelerator", "light_encoder", "load_encoder"]
