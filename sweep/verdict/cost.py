"""What an arm has cost: trials, trainings, seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sweep.records.spent import Spent

__all__ = ["Cost"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of an arm.

    trials: number of trials by outcome.
    replicates: number of replicates begun in the search, those of finalists included.
    trained: how many replicates its evaluations make, since a trial may be stopped inside of one.
    possible_replicates: number of replicates if no trial had stopped early.
    spent: seconds of workers' time.
    discarded: how often work was interrupted, by the death of a worker or of the driver, or by the end of a run.
    """

    trials: Mapping[str, int]
    replicates: int
    trained: float
    possible_replicates: int
    spent: Spent
    discarded: int

    def __add__(self, other: Cost) -> Cost:
        """The cost of both together."""
        return Cost(
            trials=dict(Counter(self.trials) + Counter(other.trials)),
            replicates=self.replicates + other.replicates,
            trained=self.trained + other.trained,
            possible_replicates=self.possible_replicates + other.possible_replicates,
            spent=self.spent + other.spent,
            discarded=self.discarded + other.discarded,
        )

    @property
    def saved(self) -> float:
        """Share of the search's work that was not done, since trials were pruned or went wrong."""
        return 1 - self.trained / self.possible_replicates if self.possible_replicates else 0.0
