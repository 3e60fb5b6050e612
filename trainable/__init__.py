"""Few-shot fine-tuning of one configuration. Knows nothing of sweeps, schedulers or tracking servers.

The entry point is `trainable.training.replicates`, which is imported from its own module, because it loads torch.
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
