"""What a verdict is made of, as values. Scores are shares from 0 to 1; only sentences and tables speak of points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from sweep.records.confirmation import ConfirmationRecord
from sweep.records.spent import Spent
from sweep.records.trial import TrialRecord
from sweep.verdict.statistics import LEVEL, Difference, Ranks, Summary

__all__ = ["Arm", "Comparison", "Cost", "Failures", "Gain", "Variances", "Verdict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """Confirmation replicates of an arm that went wrong; none of them is left out in silence.

    diverged: a value was not finite; scored as a classifier that always answers the majority class. failed: an error
    or memory, which says nothing about the loss; its draw is left out of the arm's comparisons. majority: trained to
    the end, yet no better than always answering the majority class (Mosbach et al., 2021: a failed run).
    """

    replicates: int
    diverged: int
    failed: int
    majority: int

    @property
    def rate(self) -> float:
        """Share of the replicates that went wrong in any way; 0 where there are none."""
        return (self.diverged + self.failed + self.majority) / self.replicates if self.replicates else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What an arm cost. trials: by outcome. replicates: begun in the search (finalists included), of those that all its
    trials could have had. spent: seconds of workers. lost: how often work was broken off, by the death of a worker or a
    driver or by a run's end."""

    trials: Mapping[str, int]
    replicates: int
    possible_replicates: int
    spent: Spent
    discarded: int

    def __add__(self, other: Cost) -> Cost:
        """Of both together."""
        return Cost(
            trials=dict(Counter(self.trials) + Counter(other.trials)),
            replicates=self.replicates + other.replicates,
            possible_replicates=self.possible_replicates + other.possible_replicates,
            spent=self.spent + other.spent,
            discarded=self.discarded + other.discarded,
        )

    @property
    def saved(self) -> float:
        """Share of the search that pruning (and what went wrong) did not train."""
        return 1 - self.replicates / self.possible_replicates if self.possible_replicates else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Variances:
    """Where the variance of a cell's scores comes from, as variances of shares; None where it cannot be told.

    configuration: between the completed trials of the search (two-way random effects over configurations and their
    common draws). draw: between draws, of the winner's confirmation, less that of the seed. seed: between two
    initialisations on one draw.
    """

    configuration: float | None
    draw: float | None
    seed: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One loss in a comparison, or `searched` where the search chose it. winner: its best trial, or the one that was
    confirmed; None where no trial completed. selection_score: the winner's score in the search. scores: the test score
    of each confirmation draw, in the order of `Comparison.draws`; None where it failed or is still to come.
    difference: to the baseline, over the draws that both have; None for the baseline itself. p_corrected: Holm's, over
    the family of the whole sweep. probability_of_best: among the arms, over the draws that all of them have.
    draws_needed: to resolve the difference seen with a chance of 80 %, at 5 % divided by the family, so that it holds
    whatever the other tests find; None where 100,000 would not do, or there is no difference. inference: test accuracy
    by each rule (`head`, `nearest`, `neighbours`, `mixture`). confusion: summed over draws."""

    cell: str
    loss: str
    winner: TrialRecord | None
    confirmation: ConfirmationRecord | None
    scores: tuple[float | None, ...]
    summary: Summary | None
    selection_score: float | None
    difference: Difference | None = None
    p_corrected: float | None = None
    probability_of_best: float | None = None
    draws_needed: int | None = None
    inference: Mapping[str, Summary] = field(default_factory=dict)
    failures: Failures
    variances: Variances
    cost: Cost
    confusion: tuple[tuple[int, ...], ...] = ()

    @property
    def significant(self) -> bool:
        """Whether the difference to the baseline holds at 5 % after the correction."""
        return self.p_corrected is not None and self.p_corrected < LEVEL


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The arms of one dataset, number of shots and values of the other axes (`encoder=...`, else empty). best: the arm
    with the highest mean, or rather the largest paired difference; None without any. sentence: who won, by how much,
    and how sure that is."""

    dataset: str
    shots: int
    sampling: str
    others: str
    baseline: str | None
    draws: tuple[int, ...]
    arms: tuple[Arm, ...]
    best: Arm | None
    sentence: str

    @property
    def title(self) -> str:
        """`trec, 20 labels in all` or `support, 4 labels per class, encoder=roberta-base`."""
        count = f"{self.shots} label{'s' if self.shots != 1 else ''}"
        return ", ".join(
            filter(
                None,
                (self.dataset, f"{count} {'per class' if self.sampling == 'per_class' else 'in all'}", self.others),
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """A loss's mean difference to the baseline over all comparisons, with a hierarchical bootstrap interval (datasets,
    then draws). lowest, highest: of the comparisons' mean differences."""

    loss: str
    comparisons: int
    datasets: int
    mean: float
    low: float
    high: float
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a sweep found. family: how many tests Holm's correction is over. gains: by loss, over all comparisons; empty
    for a single one, whose differences say it all. ranks: by number of shots, where at least three datasets were
    compared. selection: how winners were chosen, in a sentence. warnings: what a reader must know before believing any
    of it."""

    comparisons: tuple[Comparison, ...]
    family: int
    gains: tuple[Gain, ...]
    ranks: Mapping[int, Ranks]
    selection: str
    warnings: tuple[str, ...]
