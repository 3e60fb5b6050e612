"""What a running trial tells: one report at each evaluation, and how a trial can end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

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
    metrics: finite numbers by name (`val_accuracy`, `train_loss`, `train_seconds`, ...).
    outcome: None while all is well; DIVERGED or FAILED on the report that ends the trial, with the reason, and for a
        failure the traceback as `detail`. Such a report may carry no metrics.
    """

    draw: int
    replicate: int
    evaluation: int
    step: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    outcome: Outcome | None = None
    reason: str = ""
    detail: str = ""
