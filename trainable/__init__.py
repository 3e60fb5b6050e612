"""Few-shot fine-tuning of one configuration, independent of sweeps, schedulers and tracking servers.

The entry point is `trainable.training.replicates`; it is imported from its own module, since that loads torch.
"""

from trainable.config import DatasetConfig, TrialConfig
from trainable.errors import ConfigError, DataError, EncoderError, TrainableError
from trainable.outcomes import Evaluation, Outcome

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
