"""Few-shot fine-tuning of one configuration, independent of sweeps, schedulers and tracking servers.

The entry point is `trainable.training.replicates`; it is imported from its own module, since that loads torch. The
configurations are imported when they are first asked for: they read the tables of losses and recipes, in which those of
other packages stand, and these import modules of this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainable.errors import ConfigError, DataError, EncoderError, TrainableError
from trainable.outcomes import Evaluation, Outcome

if TYPE_CHECKING:
    from trainable.config import DatasetConfig, TrialConfig

__all__ = [
    "ConfigError",
    "DataError",
    "DatasetConfig",
    "EncoderError",
    "Evaluation",
    "Outcome",
    "TrainableError",
    "TrialConfig",
]


def __getattr__(name: str) -> Any:
    if name not in ("DatasetConfig", "TrialConfig"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from trainable import config

    return getattr(config, name)
