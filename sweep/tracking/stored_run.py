"""What the store is known to hold of a run, and what it lacks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from sys import intern
from typing import TYPE_CHECKING, Self

from sweep.tracking.runs import REPORTS_TAG, TRANSIENT_TAGS, WantedRun

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mlflow.entities import Run

__all__ = ["KnownRun", "shared"]


@cache
def _kept(names: frozenset[str]) -> frozenset[str]:
    return names


def shared(names: Iterable[str]) -> frozenset[str]:
    """A set of names, the same object for the same names: a sweep may have thousands of runs, but has few kinds."""
    return _kept(frozenset(map(intern, names)))


@dataclass(slots=True)
class KnownRun:
    """What the store is known to hold of a run, its metrics apart. ended: milliseconds since the epoch. params: their
    names; the values cannot change."""

    id: str
    status: str
    ended: int | None
    tags: dict[str, str]
    params: frozenset[str]

    @classmethod
    def of(cls, run: Run) -> Self:
        """As the store tells it."""
        return cls(
            id=run.info.run_id,
            status=run.info.status,
            ended=run.info.end_time,
            tags={intern(name): value for name, value in run.data.tags.items()},
            params=shared(run.data.params),
        )

    @property
    def evaluations(self) -> int:
        """Number of the last report that is there completely."""
        return int(self.tags.get(REPORTS_TAG, "0"))

    def lacking_tags(self, wanted: WantedRun) -> Mapping[str, str]:
        """Tags that are missing or have another value."""
        return {name: value for name, value in wanted.tags.items() if self.tags.get(name) != value}

    def lacking_params(self, wanted: WantedRun) -> Mapping[str, str]:
        """Parameters that are missing."""
        return {name: value for name, value in wanted.params.items() if name not in self.params}

    def obsolete_tags(self, wanted: WantedRun) -> list[str]:
        """Tags of an end that was none, since the trial went on."""
        return [name for name in TRANSIENT_TAGS if name in self.tags and name not in wanted.tags]

    def has_state(self, wanted: WantedRun) -> bool:
        """Whether status and end are there. A run that goes on may still have the time of its earlier end."""
        return self.status == wanted.status and wanted.ended in (None, self.ended)

    def equals(self, wanted: WantedRun) -> bool:
        """Whether nothing lacks, artifacts apart. The tag with the number of reports stands for the metrics."""
        lacks = self.lacking_tags(wanted) or self.lacking_params(wanted) or self.obsolete_tags(wanted)
        return not lacks and self.has_state(wanted)
