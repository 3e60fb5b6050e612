"""The errors of `trainable`: mistakes in what a user asked for.

    TrainableError(ValueError)
    ├── ConfigError      a field of the trial is invalid
    ├── DataError        the dataset cannot be read, or is too small for what is asked of it
    └── EncoderError     the encoder cannot be loaded

    FieldConflictError(ValueError)   fields of a trial contradict each other; pydantic reports it with the others

Every message gives the rule, the value received and the remedy.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["ConfigError", "DataError", "EncoderError", "FieldConflictError", "TrainableError"]


class TrainableError(ValueError):
    """The root of all mistakes that a user of `trainable` can make."""


class ConfigError(TrainableError):
    """A field of a trial configuration is invalid."""


class DataError(TrainableError):
    """A dataset cannot be read, or cannot give what the trial asks of it."""


class EncoderError(TrainableError):
    """An encoder cannot be found or loaded."""


class FieldConflictError(ValueError):
    """Fields of a trial, each valid by itself, contradict each other.

    fields: their names; a change of any of them can resolve the conflict.
    """

    def __init__(self, message: str, fields: Sequence[str]) -> None:
        super().__init__(message)
        self.fields = tuple(fields)
