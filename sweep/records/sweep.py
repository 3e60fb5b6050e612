"""The ledger's record of a sweep as a whole, and of the datasets it uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from trainable.predicted_classes import PredictedClasses

__all__ = ["DRAWS_BEFORE", "LOOKS_BEFORE", "DataRecord", "SweepRecord", "SweepState"]

LOOKS_BEFORE = "confirm.looks before"
"""The provenance of a sweep that was run again with other looks: the earlier ones."""

DRAWS_BEFORE = "confirm.draws before"
"""The provenance of a sweep that was run again with more draws after it had finished: the earlier numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRecord:
    """A description of a dataset, as the report needs it.

    name: its name in the spec.
    class_names: in the order of the class indices.
    pool: number of rows from which training and validation parts are drawn.
    test: number of rows of the test part.
    test_counts: number of test rows of each class.
    notes: what was changed or left out when it was read.
    labels: the classes of the test rows, in their order; None in records of old.
    folds: 0 where the test part is the same for all draws. Else pool and test part both are all labelled rows, and a
        draw tests 1 of so many parts of them.
    digest: differs whenever texts or labels do; empty in records of old.
    columns: of the texts and the label, by which they are read; empty in records of old.
    """

    name: str
    class_names: tuple[str, ...]
    pool: int
    test: int
    test_counts: tuple[int, ...]
    notes: tuple[str, ...] = ()
    labels: PredictedClasses | None = None
    folds: int = 0
    digest: str = ""
    columns: tuple[str, ...] = ()

    @property
    def majority_share(self) -> float:
        """The test accuracy of a classifier that always answers the most frequent class."""
        return max(self.test_counts) / self.test

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> DataRecord:
        """The record of which `to_json` gave these fields."""
        labels = fields.get("labels")
        tuples = {name: tuple(fields[name]) for name in ("class_names", "test_counts", "notes")}
        tuples["columns"] = tuple(fields.get("columns", ()))
        return cls(**{**fields, **tuples, "labels": PredictedClasses.from_json(labels) if labels else None})

    def to_json(self) -> dict[str, Any]:
        """The record as JSON data."""
        values = asdict(self) | {"labels": None if self.labels is None else self.labels.to_json()}
        of_late = ("labels", "folds", "digest", "columns")  # a record of old stays as it was
        return {name: value for name, value in values.items() if name not in of_late or value}


class SweepState(StrEnum):
    """The state of a sweep: running, or the way in which its last run ended.

    RUNNING: a driver is running it.
    INTERRUPTED: its last run was stopped or killed before the end; the next one resumes it.
    FINISHED: all trials and confirmations have ended.
    FAILED: no trial could be scored.
    """

    RUNNING = "running"
    INTERRUPTED = "interrupted"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRecord:
    """A sweep as recorded.

    id: unique over all sweeps.
    name: unique within a folder or database.
    spec: the resolved spec, every default filled in.
    created, ended: seconds since the epoch; ended is None while it runs.
    state: whether it is running, or how its last run ended.
    provenance: git commit, package versions and hardware, by name.
    data: a description of each dataset, by its name.
    run_id: id of its MLflow run, once known.
    """

    id: str
    name: str
    spec: Mapping[str, Any]
    created: float
    ended: float | None = None
    state: SweepState = SweepState.RUNNING
    provenance: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, DataRecord] = field(default_factory=dict)
    run_id: str | None = None
