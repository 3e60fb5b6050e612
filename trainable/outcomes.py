"""What a running trial tells: its evaluations, and how it can end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

__all__ = ["Evaluation", "Outcome"]


class Outcome(StrEnum):
    """How a trial ended. Never inferred from a missing value."""

    COMPLETED = "completed"
    PRUNED = "pruned"
    DIVERGED = "diverged"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The state of one replicate at one of its evaluation points.

    draw: index of the draw, as given.
    replicate: its position among the trial's replicates, from 0.
    point: number of the evaluation point within the replicate, from 1 to E.
    step: optimiser steps done in the replicate.
    initialisation: which of the draw's initialisations was trained; 0 everywhere but in a confirmation that trains some
        draws twice.
    metrics: finite numbers by name (`val_accuracy`, `train_loss`, `train_seconds`, ...).
    confusion: where the test part was scored, its rows counted by class and predicted class (row: class).
    trained_on: device and precision, `NVIDIA L4 (bf16)`; empty where it is not known.
    outcome: None while all is well; DIVERGED or FAILED on the evaluation that ends the trial, with the reason, and for
        a failure the traceback as `detail`. Such an evaluation may carry no metrics.
    """

    draw: int
    replicate: int
    point: int
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
        """Of the worker's time since the last evaluation, in training and scoring."""
        return self.metrics.get("train_seconds", 0.0) + self.metrics.get("eval_seconds", 0.0)

    def to_json(self) -> dict[str, Any]:
        """JSON data, as ledgers and documents keep it; the point is called `evaluation` there."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {_KEYS.get(name, name): value for name, value in (values | {"metrics": dict(self.metrics)}).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Evaluation:
        """The inverse of `to_json`, also after JSON has made lists of tuples and a string of the outcome."""
        outcome = data.get("outcome")
        confusion = tuple(tuple(row) for row in data.get("confusion", ()))
        values = {_FIELDS.get(key, key): value for key, value in data.items()}
        return cls(**{**values, "outcome": Outcome(outcome) if outcome else None, "confusion": confusion})


_KEYS = {"point": "evaluation"}  # of JSON data, by field
_FIELDS = {key: name for name, key in _KEYS.items()}
