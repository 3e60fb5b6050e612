"""What a running trial tells: one report at each evaluation, and how a trial can end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["Outcome", "Report"]


class Outcome(StrEnum):
    """How a trial ended. Never inferred from a missing value."""

    COMPLETED = "completed"
    PRUNED = "pruned"
    DIVERGED = "diverged"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The state of one replicate at one evaluation.

    draw: index of the draw, as given. replicate: its position among the trial's replicates, from 0.
    evaluation: 1 to E within the replicate. step: optimiser steps done in the replicate.
    initialisation: which of the draw's initialisations was trained; 0 everywhere but in a confirmation that trains some
        draws twice.
    metrics: finite numbers by name (`val_accuracy`, `train_loss`, `train_seconds`, ...).
    confusion: where the test part was scored, its rows counted by class and predicted class (row: class).
    trained_on: device and precision, `NVIDIA L4 (bf16)`; empty where it is not known.
    outcome: None while all is well; DIVERGED or FAILED on the report that ends the trial, with the reason, and for a
        failure the traceback as `detail`. Such a report may carry no metrics.
    """

    draw: int
    replicate: int
    evaluation: int
    step: int
    initialisation: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    confusion: tuple[tuple[int, ...], ...] = ()
    trained_on: str = ""
    outcome: Outcome | None = None
    reason: str = ""
    detail: str = ""

    @property
    def seconds(self) -> float:
        """Of the worker's time since the last report, in training and evaluation."""
        return self.metrics.get("train_seconds", 0.0) + self.metrics.get("eval_seconds", 0.0)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Report:
        """The inverse of `dataclasses.asdict`, also after JSON has made lists of tuples and a string of the outcome."""
        outcome = fields.get("outcome")
        confusion = tuple(tuple(row) for row in fields.get("confusion", ()))
        return cls(**{**fields, "outcome": Outcome(outcome) if outcome else None, "confusion": confusion})
