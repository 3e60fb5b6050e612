"""The final table of a sweep, in which two sweeps of one spec must agree."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweep.records.results import SweepResults
from trainable.outcomes import Evaluation
from trainable.ranges import Scalar

__all__ = ["Table", "table", "training"]

Table = Mapping[str, Mapping[str, Any]]
"""All of a sweep's results that do not depend on time."""


def table(results: SweepResults) -> Table:
    """The final table: of each trial its parameters, outcome and scores, of each confirmation its test scores."""
    trials = {
        record.key: {
            "params": {name: _plain(each) for name, each in record.params.items()},
            "outcome": record.outcome,
            "score": record.score,
            "reports": {each.number: _timeless(each.evaluation) for each in record.evaluations},
        }
        for record in results.trials
    }
    confirmations = {
        record.key: {
            "trial": record.trial,
            "outcome": record.outcome,
            "replicates": {training(each.evaluation): _timeless(each.evaluation) for each in record.replicates},
        }
        for record in results.confirmations
    }
    return trials | confirmations


def _plain(value: Scalar) -> Scalar:
    """A path by its last part: each soak has its own folder."""
    return Path(value).name if isinstance(value, str) else value


def _timeless(evaluation: Evaluation) -> Mapping[str, float]:
    return {name: value for name, value in evaluation.metrics.items() if not name.endswith("_seconds")}


def training(evaluation: Evaluation) -> str:
    """What tells one training of a confirmation from its others."""
    return f"{evaluation.draw}.{evaluation.initialisation}"
