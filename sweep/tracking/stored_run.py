"""Runs as the MLflow store holds them, and their comparison with runs as they should be."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from sys import intern
from typing import TYPE_CHECKING, Self

from sweep.tracking.runs import REPORTS_TAG, SPEC_TAGS, TRANSIENT_TAGS, WantedRun

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mlflow.entities import Run

__all__ = ["StoredRun", "interned"]


@cache
def _same_object(names: frozenset[str]) -> frozenset[str]:
    return names


def interned(names: Iterable[str]) -> frozenset[str]:
    """A set of names, the same object for equal sets: thousands of runs share a few sets of parameter names."""
    return _same_object(frozenset(map(intern, names)))


@dataclass(slots=True)
class StoredRun:
    """A run as it is known to be in the store, without its metrics and artifacts.

    id: the MLflow run id.
    status: the MLflow status, e.g. `RUNNING`.
    ended: end time in milliseconds since the epoch; None if it never ended.
    tags: values by name.
    params: names of the parameters; their values can never change.
    """

    id: str
    status: str
    ended: int | None
    tags: dict[str, str]
    params: frozenset[str]

    @classmethod
    def of(cls, run: Run) -> Self:
        """The run as the store returned it."""
        return cls(
            id=run.info.run_id,
            status=run.info.status,
            ended=run.info.end_time,
            tags={intern(name): value for name, value in run.data.tags.items()},
            params=interned(run.data.params),
        )

    @property
    def evaluations(self) -> int:
        """Number of the last evaluation whose metrics are stored completely."""
        return int(self.tags.get(REPORTS_TAG, "0"))

    def missing_tags(self, wanted: WantedRun) -> Mapping[str, str]:
        """The wanted tags that are missing or have another value."""
        return {name: value for name, value in wanted.tags.items() if self.tags.get(name) != value}

    def missing_params(self, wanted: WantedRun) -> Mapping[str, str]:
        """The wanted parameters that are missing."""
        return {name: value for name, value in wanted.params.items() if name not in self.params}

    def obsolete_tags(self, wanted: WantedRun) -> list[str]:
        """Tags left by an interruption of a trial that has since resumed, or by fields that the spec no longer has."""
        passing = (name for name in self.tags if name in TRANSIENT_TAGS or name.startswith(SPEC_TAGS))
        return [name for name in passing if name not in wanted.tags]

    def has_status(self, wanted: WantedRun) -> bool:
        """True if status and end time are up to date. A resumed run may keep the end time of its interruption."""
        return self.status == wanted.status and wanted.ended in (None, self.ended)

    def is_current(self, wanted: WantedRun) -> bool:
        """True if tags, parameters and status are up to date (artifacts are checked separately).

        The tag with the number of evaluations stands for the metrics: it is written together with the last of them.
        """
        outdated = self.missing_tags(wanted) or self.missing_params(wanted) or self.obsolete_tags(wanted)
        return not outdated and self.has_status(wanted)
