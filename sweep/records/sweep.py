"""The sweep itself as recorded, and what a report says of its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["DataRecord", "SweepRecord", "SweepState"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRecord:
    """What a report says of a dataset. pool, test: rows of each part. test_counts: rows of the test part by class."""

    name: str
    class_names: tuple[str, ...]
    pool: int
    test: int
    test_counts: tuple[int, ...]
    notes: tuple[str, ...] = ()

    @property
    def majority_share(self) -> float:
        """The test accuracy of always guessing the most frequent class."""
        return max(self.test_counts) / self.test

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> DataRecord:
        """The inverse of `dataclasses.asdict`, also after JSON has made lists of tuples."""
        return cls(**{**fields, **{name: tuple(fields[name]) for name in ("class_names", "test_counts", "notes")}})


class SweepState(StrEnum):
    """Whether a sweep is being run, and how its last run ended. FAILED: no trial could be scored."""

    RUNNING = "running"
    INTERRUPTED = "interrupted"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRecord:
    """The sweep as recorded. id is unique over all sweeps; spec is the resolved spec; facts are git commit, package
    versions and hardware; data says of each dataset what a report needs; state is `running`, `interrupted`,
    `finished` or `failed`. created, ended: seconds since the epoch.
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
