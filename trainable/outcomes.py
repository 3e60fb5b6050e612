"""The messages of a running trial: its evaluations, and the outcomes in which it can end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from trainable.confidences import Confidences
from trainable.predicted_classes import PredictedClasses

__all__ = ["Evaluation", "Outcome"]


class Outcome(StrEnum):
    """How a trial ended; always stated, never inferred from a missing value."""

    COMPLETED = "completed"
    PRUNED = "pruned"
    DIVERGED = "diverged"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The metrics of one replicate at one of its evaluation points, or the outcome that ended the trial there.

    draw: index of the draw.
    replicate: position of the draw among the trial's replicates, from 0.
    point: number of the evaluation point within the replicate, from 1 to E.
    step: optimiser steps done in the replicate.
    initialisation: which of the draw's initialisations was trained; 0 everywhere but in a confirmation that trains some
        draws twice.
    metrics: finite numbers by name (`val_accuracy`, `train_loss`, `train_seconds`, ...).
    confusion: number of test rows by class (first axis) and predicted class; empty where no test rows were scored.
    predicted: the classes of the test rows, as predicted; None where no test rows were scored, and in records of old.
    confidences: how sure the classifier was of each of them; None likewise.
    tested: the positions of these rows in the dataset's test part, where a draw tests a part of its own; empty where
        it tests all of them.
    trained_on: device and precision, such as `NVIDIA L4 (bf16)`; empty where unknown.
    trained_with: versions of the code and the libraries (`trainable.versions`); empty in records of old.
    outcome: DIVERGED or FAILED on the evaluation that ends the trial, which may have no metrics; None otherwise.
    reason: why the trial diverged or failed, one line.
    detail: the traceback of a failure.
    """

    draw: int
    replicate: int
    point: int
    step: int
    initialisation: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    confusion: tuple[tuple[int, ...], ...] = ()
    predicted: PredictedClasses | None = None
    confidences: Confidences | None = None
    tested: tuple[int, ...] = ()
    trained_on: str = ""
    trained_with: str = ""
    outcome: Outcome | None = None
    reason: str = ""
    detail: str = ""

    @property
    def seconds(self) -> float:
        """Seconds of training and scoring since the last evaluation."""
        return self.metrics.get("train_seconds", 0.0) + self.metrics.get("eval_seconds", 0.0)

    def to_json(self) -> dict[str, Any]:
        """Return JSON data, as ledgers and documents store it; the key of `point` is `evaluation` there."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)} | {"metrics": dict(self.metrics)}
        values["predicted"] = None if self.predicted is None else self.predicted.to_json()
        values["confidences"] = None if self.confidences is None else self.confidences.to_json()
        for name in ("trained_with", "predicted", "confidences", "tested"):
            if not values[name]:
                del values[name]  # a record of old stays as it was
        return {_KEYS.get(name, name): value for name, value in values.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Evaluation:
        """Return the evaluation of which `to_json` gave `data`; lists and strings from JSON are converted back."""
        outcome = data.get("outcome")
        confusion = tuple(tuple(row) for row in data.get("confusion", ()))
        predicted, confidences = data.get("predicted"), data.get("confidences")
        values = {_FIELDS.get(key, key): value for key, value in data.items()} | {
            "outcome": Outcome(outcome) if outcome else None,
            "confusion": confusion,
            "tested": tuple(data.get("tested", ())),
            "predicted": PredictedClasses.from_json(predicted) if predicted else None,
            "confidences": Confidences.from_json(confidences) if confidences else None,
        }
        return cls(**values)


_KEYS = {"point": "evaluation"}  # of JSON data, by field
_FIELDS = {key: name for name, key in _KEYS.items()}
