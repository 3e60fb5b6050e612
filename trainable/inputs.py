"""What a process keeps in memory of the data and encoders that it has read, and when it forgets them."""

from __future__ import annotations

import sys

__all__ = ["forget_inputs"]

# Modules with a function `forget`. Only those that are loaded keep anything: most of them load torch.
_KEEPERS = (
    "trainable.datasets.loader",
    "trainable.datasets.answers",
    "trainable.encoder.encoder",
    "trainable.embeddings",
    "trainable.batching",
    "trainable.setfit_training",
)


def forget_inputs() -> None:
    """Forget every dataset and encoder that this process has read, since its files may have changed between two sweeps
    of one process."""
    for name in _KEEPERS:
        if name in sys.modules:
            sys.modules[name].forget()
