"""Few-shot fine-tuning of one configuration. Knows nothing of sweeps, schedulers or tracking servers."""

from trainable.config import DatasetConfig, TrialConfig
from trainable.reports import Outcome, Report

__all__ = ["DatasetConfig", "Outcome", "Report", "TrialConfig"]
