"""Pretrained encoders: where their files lie, what of them is refused, how they are loaded, reset and run as graphs."""

from trainable.encoder.encoder import Encoder, check_encoder, free_accelerator, load_encoder

__all__ = ["Encoder", "check_encoder", "free_accelerator", "load_encoder"]
