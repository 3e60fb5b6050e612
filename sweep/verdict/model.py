"""The values that a verdict consists of. Scores are shares from 0 to 1; only sentences and tables use points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sweep.records.confirmation import ConfirmationRecord
from sweep.records.trial import TrialRecord
from sweep.verdict.collapse import Collapses
from sweep.verdict.cost import Cost
from sweep.verdict.course import Course
from sweep.verdict.named_best import NamedBest
from sweep.verdict.statistics import LEVEL, Difference, Ranks, Summary
from trainable.recipes.entry import Trained
from trainable.shots import Sampling, Shots, in_words, largest

if TYPE_CHECKING:
    from sweep.verdict.across import AxisDifference
    from sweep.verdict.outlook import Outlook

__all__ = ["Arm", "Comparison", "Failures", "Gain", "Variances", "Verdict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """Counts of an arm's confirmation replicates, and of those that went wrong; the report shows all of them.

    replicates: all that have ended.
    diverged: a value was not finite; each is scored as a classifier that always answers the majority class.
    failed: an error or too little memory, which says nothing about the method; the draw is left out of the arm's
        comparisons.
    majority: trained to the end, yet no better than always answering the majority class (a failed run in the sense of
        Mosbach et al., 2021).
    restarted: had learned nothing and were begun anew (`trial.restarts`); the scores are those of the last attempt.
    """

    replicates: int
    diverged: int
    failed: int
    majority: int
    restarted: int = 0

    @property
    def rate(self) -> float:
        """Share of the replicates that went wrong in any way; 0 if there are none."""
        return (self.diverged + self.failed + self.majority) / self.replicates if self.replicates else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Variances:
    """The variance of a cell's scores by source, as variances of shares; None where it cannot be estimated.

    configuration: between the completed trials of the search (two-way random effects over configurations and their
        common draws).
    draw: between the draws of the winner's confirmation, less the variance of the seed.
    seed: between two initialisations on one draw.
    """

    configuration: float | None
    draw: float | None
    seed: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One method, a recipe with its loss, in a comparison.

    cell: key of its cell.
    method: the name of its recipe with its loss; `searched` if the search chose the loss. Where one method alone is
        compared, the arm's values of the other axes (`sweep.spec.groups`).
    kind: what it is, in a word, as `method` or `encoder` (`sweep.spec.groups`).
    trains: what its recipe trains.
    winner: the trial that was confirmed, or else the best one; None if no trial completed.
    confirmation: the winner's confirmation; None if it has not begun.
    scores: the test score of each confirmation draw, in the order of `Comparison.draws`; None where it failed or is
        still missing.
    summary: mean, spread and interval of the scores; None without any.
    selection_score: the winner's score in the search.
    difference: to the baseline, over the draws that both have; None for the baseline itself.
    p_corrected: the p-value of the difference corrected over all tests of the sweep.
    p_equivalent: the p-value of the two one-sided tests that the difference is within `confirm.margin`, after Holm's
        correction over all of them; None where nothing is tested, or the margin is 0.
    probability_of_best: the probability of being the best of the arms, over the draws that all of them have.
    draws_needed: draws that would resolve the observed difference with a power of 80 %, at 5 % divided by the number of
        tests, so that it holds whatever the other tests find, on the present test rows; None if 100,000 are too few, or
        without a difference.
    rows_needed: test rows that would do so with the present draws; None likewise, and where the predictions of the
        rows are not known.
    rows_with_draws: test rows that would do so with 20 draws, where draws alone do not and that is far fewer rows.
    inference: test accuracy by each rule of inference (`head`, `nearest`, `neighbours`, `mixture`).
    by_rule: test accuracy on each confirmation draw by each of these rules, as `scores`.
    rows_by_draw: what each test row contributes to the score of a draw, by its position in `scores`; empty where the
        predictions are not known.
    turned: the rules of inference by which the mean difference has the other sign and an interval at 95 %, over draws,
        that leaves 0 out, with that difference; found where accuracy is the metric, and the baseline is read by the
        same rule or, if it has one way to classify, by that.
    failures: its confirmation replicates that went wrong.
    collapses: how often it fails to train; None without confirmation draws.
    collapsed: whether it did, on each draw, as `scores`; None where that is not known.
    p_collapses: the p-value of McNemar's test that it fails to train as often as the baseline, corrected by Holm over
        all tests of the sweep; None for the baseline itself.
    trained_lead: the difference to the baseline over the draws on which both trained; None where all did, or too few.
    course: how far the comparison with the baseline has come; None for the baseline, and where there are no looks.
    variances: of its cell's scores, by source.
    cost: of its cell.
    confusion: the confusion matrix, summed over draws; rows are classes, columns predicted classes.
    """

    cell: str
    method: str
    kind: str
    trains: Trained
    winner: TrialRecord | None
    confirmation: ConfirmationRecord | None
    scores: tuple[float | None, ...]
    summary: Summary | None
    selection_score: float | None
    difference: Difference | None = None
    p_corrected: float | None = None
    p_equivalent: float | None = None
    probability_of_best: float | None = None
    draws_needed: int | None = None
    rows_needed: int | None = None
    rows_with_draws: int | None = None
    inference: Mapping[str, Summary] = field(default_factory=dict)
    by_rule: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    turned: Mapping[str, float] = field(default_factory=dict)
    rows_by_draw: Mapping[int, NDArray[np.float64]] = field(default_factory=dict, compare=False, repr=False)
    failures: Failures
    collapses: Collapses | None = None
    collapsed: tuple[bool | None, ...] = ()
    p_collapses: float | None = None
    trained_lead: Difference | None = None
    course: Course | None = None
    variances: Variances
    cost: Cost
    confusion: tuple[tuple[int, ...], ...] = ()

    @property
    def tested(self) -> int:
        """How many test rows its draws were scored on, together; 0 where that is not known."""
        if self.rows_by_draw:
            return int((~np.isnan(np.stack(list(self.rows_by_draw.values())))).any(axis=0).sum())
        return sum(map(sum, self.confusion)) // max(1, self.summary.n if self.summary else 1)

    @property
    def significant(self) -> bool:
        """True if the difference to the baseline is significant at 5 % after the correction."""
        return self.p_corrected is not None and self.p_corrected < LEVEL

    @property
    def equivalent(self) -> bool:
        """True if the difference to the baseline is shown to be within the margin, whether or not it is significant."""
        return self.p_equivalent is not None and self.p_equivalent < LEVEL


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The arms of one dataset, one number of shots, and one value of each other compared axis, or of one method.

    dataset, shots, sampling, metric: as in the spec.
    others: values of the other axes, e.g. `encoder=roberta-base`, or the only method; empty if there are none.
    baseline: the method that all others are compared with; None if there is only one method.
    draws: the confirmation draws, in the order of every arm's scores.
    labels: about how many labelled rows a draw trains on, in all; None where the data is not known.
    majority: the test score of always answering the most frequent class; None where the data is not known.
    arms: one for each method.
    best: the arm with the largest paired difference, or else the highest mean; None without any score.
    named_best: the largest difference, with its having been chosen allowed for; None without a choice, and in looks.
    references: by method, the best arm's difference to it, for what everybody would do, other than the baseline.
    sentence: which method won, by how much, and how certain that is.
    """

    dataset: str
    shots: Shots
    sampling: Sampling
    metric: str
    others: str
    baseline: str | None
    draws: tuple[int, ...]
    labels: int | None
    majority: float | None
    arms: tuple[Arm, ...]
    best: Arm | None
    sentence: str
    references: Mapping[str, Difference] = field(default_factory=dict)
    named_best: NamedBest | None = None

    @property
    def title(self) -> str:
        """`trec, 20 labels in all` or `support, 4 labels per class, encoder=roberta-base`."""
        return f"{self.dataset}, {self.subtitle}"

    @property
    def subtitle(self) -> str:
        """The title without the dataset: `4 labels per class, encoder=roberta-base`."""
        labels = in_words(self.shots, self.sampling)
        return f"{labels}, {self.others}" if self.others else labels

    @property
    def per_unit(self) -> float:
        """The number of labels on the axis of a figure, per class or in all: about the mean, for `all`, and for
        `at most N` where there are fewer."""
        number = largest(self.shots)
        if isinstance(self.shots, int) or self.labels is None:
            return float(number or 1)
        classes = max(1, len(next((arm.confusion for arm in self.arms if arm.confusion), ())))
        there = round(self.labels / (classes if self.sampling == "per_class" else 1), 1)
        return there if number is None else min(float(number), there)

    @property
    def counted(self) -> str:
        """The unit of the number of shots: labels `per class` or `in all`."""
        return "per class" if self.sampling == "per_class" else "in all"

    def wanted(self, arm: Arm, draws: int) -> int:
        """The draws that an arm needs: `draws`, or where the comparison is made in looks, those that it has come to
        need; the baseline as many as any arm that has a winner."""
        courses = [(each.winner is not None, each.course.wanted) for each in self.arms if each.course is not None]
        if not courses:
            return draws
        if arm.course is not None:
            return arm.course.wanted
        return max((count for won, count in courses if won), default=min(count for _, count in courses))

    def arm(self, method: str | None) -> Arm | None:
        """The arm of a method; None if the comparison has none."""
        return next((arm for arm in self.arms if arm.method == method), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """A method's mean difference to the baseline over all comparisons.

    method: its name.
    comparisons, datasets: how many were averaged over.
    mean: of the comparisons' mean differences.
    low, high: interval of the mean at 95 % on datasets like these; for a single dataset, on that one.
    here_low, here_high: the same on these datasets, of which draws and test rows alone are samples.
    lowest, highest: of the comparisons' mean differences.
    """

    method: str
    comparisons: int
    datasets: int
    mean: float
    low: float
    high: float
    here_low: float
    here_high: float
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Verdict:
    """The result of a sweep.

    comparisons: in the order of the spec's axes.
    family: number of tests that the correction covers.
    gains: by method, over all comparisons; empty if there is only one, whose differences say the same.
    ranks: average ranks of the methods by number of shots, where at least three datasets were compared.
    selection: a sentence on how winners were chosen.
    warnings: what a reader must know before believing any of it.
    outlooks: what more labels, or more trials, would bring, where several numbers of labels were compared.
    axes: what other values of the axes, such as encoders, bring each method.
    """

    comparisons: tuple[Comparison, ...]
    family: int
    gains: tuple[Gain, ...]
    ranks: Mapping[Shots, Ranks]
    selection: str
    warnings: tuple[str, ...]
    outlooks: tuple[Outlook, ...] = ()
    axes: tuple[AxisDifference, ...] = ()

    @property
    def kind(self) -> str:
        """What the arms are, in a word, as `method` or `encoder`: all of a sweep are of one kind."""
        return next((arm.kind for comparison in self.comparisons for arm in comparison.arms), "method")

    def __repr__(self) -> str:
        """What a person reads who looks at it in Python: the sentence of each comparison."""
        return "\n".join(f"<Verdict on {each.title}> {each.sentence}" for each in self.comparisons)
