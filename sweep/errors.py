"""What can go wrong in a sweep, as seen by the person who started it.

    SweepError(ValueError)
    ├── SpecError        the spec is invalid; holds every mistake found          exit code 2
    ├── LedgerError      the record belongs to another protocol, or is in use    exit code 2
    ├── StoredSweepError there is no such sweep, or no such document of one      exit code 2
    ├── FolderError      a folder, or a file in it, cannot be used as asked      exit code 2
    ├── TrackingError    the MLflow server cannot be used                        exit code 2
    ├── ClusterError     the Ray cluster cannot be joined or is too small        exit code 2
    ├── TimingError      a training that was tried for a plan failed             exit code 2
    └── SweepFailedError the sweep ran and cannot give a result                  exit code 1

Mistakes in data, encoders and trial fields are `trainable.errors.TrainableError`s (exit code 2). Every message gives
the rule, the value received and the remedy.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "ClusterError",
    "FolderError",
    "LedgerError",
    "SpecError",
    "StoredSweepError",
    "SweepError",
    "SweepFailedError",
    "TimingError",
    "TrackingError",
]


class SweepError(ValueError):
    """Root of all mistakes that a user of `sweep` can make."""


class SpecError(SweepError):
    """A spec is invalid.

    mistakes: all of them, in the order of the file.
    fields: of each, the field in dotted notation and what is said of it, without the place where it was read; empty
        where the mistake is of no field.
    """

    def __init__(self, mistakes: Sequence[str], fields: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = tuple(mistakes)
        self.fields = tuple(fields)


class LedgerError(SweepError):
    """The ledger of a sweep does not fit what is asked of it, or somebody else is writing it."""


class StoredSweepError(SweepError):
    """A sweep that was named, or a document of one, is not there or cannot be read."""


class FolderError(SweepError):
    """A folder, or a file in it, cannot be used as asked: not writable, a link to somewhere else, or taken."""


class TrackingError(SweepError):
    """The MLflow store cannot be reached or used."""


class ClusterError(SweepError):
    """The Ray cluster cannot be joined, or can never run a trial of this spec."""


class TimingError(SweepError):
    """A training that was tried for the time of a plan failed, as all trials like it would."""


class SweepFailedError(SweepError):
    """The sweep itself is valid, but every trial of it failed."""
