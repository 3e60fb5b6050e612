"""What the store is known to hold of a run, and what it lacks."""

from __future__ import annotations

from dataclasses import dataclass
from sys import intern
from typing import TYPE_CHECKING, Self

from sweep.tracking.runs import REPORTS_TAG, TRANSIENT_TAGS, WantedRun

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow.entities import Run

__all__ = ["KnownRun"]


@dataclass(slots=True)
class KnownRun:
    """What the store is known to hold of a run. ended: milliseconds since the epoch. params: their names; the values
    cannot change. metrics: the last value of each."""

    id: str
    status: str
    ended: int | None
    tags: dict[str, str]
    params: frozenset[str]
    metrics: dict[str, float]

    @classmethod
    def of(cls, run: Run) -> Self:
        """As the store tells it. Names are kept once for all runs: a sweep may have thousands of them."""
        return cls(
            id=run.info.run_id,
            status=run.info.status,
            ended=run.info.end_time,
            tags={intern(name): value for name, value in run.data.tags.items()},
            params=frozenset(map(intern, run.data.params)),
            metrics={intern(name): value for name, value in run.data.metrics.items()},
        )

    @property
    def reports(self) -> int:
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
