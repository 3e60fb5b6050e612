"""The errors of `trainable`: mistakes in what a user asked for.

    TrainableError(ValueError)
    ├── ConfigError      a field of the trial is invalid
    ├── DataError        the dataset cannot be read, or is too small for what is asked of it
    └── EncoderError     the encoder cannot be loaded

Every message gives the rule, the value received and the remedy.
"""

from __future__ import annotations

__all__ = ["ConfigError", "DataError", "EncoderError", "TrainableError"]


class TrainableError(ValueError):
    """The root of all mistakes that a user of `trainable` can make."""


class ConfigError(TrainableError):
    """A field of a trial configuration is invalid."""


class DataError(TrainableError):
    """A dataset cannot be read, or cannot give what the trial asks of it."""


class EncoderError(TrainableError):
    """An encoder cannot be found or loaded."""
