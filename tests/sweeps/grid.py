"""A small spec and its cells, for tests of what comes after the spec."""

from __future__ import annotations

from typing import Any

from sweep.spec.cells import Cell, cells
from sweep.spec.model import SweepSpec
from trainable.outcomes import Evaluation


def spec(**changes: Any) -> SweepSpec:
    """Two cells of 4 trials, 2 replicates x 2 evaluations; `changes` replace whole blocks or fields of them."""
    blocks: dict[str, Any] = {
        "name": "small",
        "datasets": {"support": {}},
        "compare": {"dataset": ["support"], "shots": [4], "loss": ["cross_entropy", "soft_triple"]},
        "trial": {"encoder": "tiny"},
        "protocol": {"replicates": 2, "evaluations": 2, "steps": 4},
        "budget": {"trials_per_cell": 4},
        "pruning": {"rule": "none"},
        "confirm": {"draws": 0},
    }
    for name, value in changes.items():
        blocks[name] = {**blocks[name], **value} if isinstance(value, dict) and name in blocks else value
    return SweepSpec.model_validate(blocks)


def grid(**changes: Any) -> tuple[Cell, ...]:
    """The cells of `spec(**changes)`."""
    return cells(spec(**changes))


def evaluated(replicate: int, evaluation: int, accuracy: float) -> Evaluation:
    """A healthy report with a validation accuracy."""
    step = 2 * evaluation
    return Evaluation(
        draw=replicate,
        replicate=replicate,
        point=evaluation,
        step=step,
        metrics={"val_accuracy": accuracy, "train_loss": 0.5},
    )
