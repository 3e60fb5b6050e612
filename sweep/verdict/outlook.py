"""Labels or search: what twice the labels, and what twice the trials, would bring the best method.

Shapes: N scores, T trials, R replicates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from sweep.records.trial import TrialRecord
from sweep.verdict.learning_curve import Expected, alike, learning_curve
from sweep.verdict.model import Arm, Comparison
from sweep.verdict.variance import configuration_variance
from trainable.outcomes import Outcome
from trainable.shots import Shots

__all__ = ["Outlook", "last_doubling", "more_trials", "outlooks"]

_FEWEST_TRIALS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What more labels, or more trials, would bring a method on one dataset.

    title: of the comparison with the most labels.
    method: the best one there of those that learn from labels.
    overall: whether it is the best of all.
    shots, fewer: the two largest numbers of labels that were compared.
    labels: the gain by twice the labels.
    trials: the gain by twice the trials; None where too few were completed.
    """

    title: str
    method: str
    overall: bool = True
    shots: Shots
    fewer: Shots
    labels: Expected
    trials: float | None

    @property
    def sentence(self) -> str:
        """What would bring more."""
        gain = f"{_points(self.labels.mean)} ({_number(self.labels.low)} to {_number(self.labels.high)})"
        named = self.method if self.overall else f"{self.method}, the best of those that learn from labels,"
        if self.labels.mean <= 0:
            text = (
                f"{self.title}: {named} was no better than with {self.fewer}, so that nothing says what twice the "
                "labels would bring"
            )
            return f"{text}; twice the trials about {_points(self.trials)}." if self.trials is not None else f"{text}."
        text = (
            f"{self.title}: twice the labels would bring {named} about {gain}, if its error falls as it did "
            f"from {self.fewer} to {self.shots}"
        )
        if self.trials is None:
            return f"{text}."
        return f"{text}; twice the trials about {_points(self.trials)}{self._advice()}"

    def _advice(self) -> str:
        assert self.trials is not None
        if self.labels.low > self.trials:
            return ". Label, rather than search."
        return ". Search, rather than label." if self.labels.high < self.trials else "."


def outlooks(comparisons: Sequence[Comparison], trials: Mapping[str, Sequence[TrialRecord]]) -> tuple[Outlook, ...]:
    """One for each dataset, and value of the other axes, that was compared at several numbers of labels.

    trials: the trials of each cell.
    """
    curves = [alike(comparisons, each) for each in comparisons]
    firsts = [curve for curve, each in zip(curves, comparisons, strict=True) if curve[0] is each]
    return tuple(found for curve in firsts for found in _outlook(curve, trials))


def _outlook(comparisons: Sequence[Comparison], trials: Mapping[str, Sequence[TrialRecord]]) -> Iterator[Outlook]:
    most = max(comparisons, key=lambda each: (_learner(each) is not None, each.per_unit))
    best = _learner(most)
    curve = learning_curve(comparisons, best.method) if best is not None else None
    if best is None or curve is None or curve.most is not most:
        return
    yield Outlook(
        title=most.title,
        method=best.method,
        overall=best is most.best,
        shots=most.shots,
        fewer=curve.fewer.shots,
        labels=curve.doubled(),
        trials=more_trials(trials.get(best.cell, ())),
    )


def _learner(comparison: Comparison) -> Arm | None:
    """The best arm of those that learn from labels; None if none of them has a score."""
    best = comparison.best
    if best is None or _learns(best):
        return best
    means = {arm.method: arm.summary.mean for arm in comparison.arms if arm.summary is not None and _learns(arm)}
    return comparison.arm(max(means, key=means.__getitem__, default=None))


def _learns(arm: Arm) -> bool:
    """Whether it reads labelled rows: to one that does not, more are nothing."""
    return arm.trains in ("encoder", "head")


# ---- twice the trials ------------------------------------------------------------------------------------------------


def more_trials(trials: Sequence[TrialRecord]) -> float | None:
    """The gain of twice the trials: what the last doubling brought, which is more than the next one will, shrunk to the
    part of a validation score that belongs to the configuration. None for fewer than four completed trials.

    """
    lead = last_doubling(trials)
    return None if lead is None else lead * _reliability(_completed(trials))


def last_doubling(trials: Sequence[TrialRecord]) -> float | None:
    """What the last doubling of the trials brought on validation rows: the score of the best of all less the mean score
    of the best of every half of them. Trials that were stopped early count as the worst that completed; None for fewer
    than four completed trials."""
    scores = [trial.score for trial in _completed(trials) if trial.score is not None]
    if len(scores) < _FEWEST_TRIALS:
        return None
    others = sum(trial.outcome in (Outcome.PRUNED, Outcome.DIVERGED) for trial in trials)
    everyone_N = np.sort([*scores, *[min(scores)] * others])
    return float(everyone_N[-1]) - _best_of(everyone_N, len(everyone_N) // 2)


def _completed(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    return [trial for trial in trials if trial.outcome is Outcome.COMPLETED and trial.score is not None]


def _best_of(sorted_N: NDArray[np.float64], size: int) -> float:
    """The mean of the best of `size` of N values, over all choices of them."""
    count = len(sorted_N)
    ways = [comb(place, size - 1) / comb(count, size) for place in range(count)]
    return float(np.dot(sorted_N, ways))


def _reliability(trials: Sequence[TrialRecord]) -> float:
    """The share of the variance of the trials' scores that lies between configurations."""
    common = min(len(trial.replicate_scores) for trial in trials)
    scores_TR = np.array([trial.replicate_scores[:common] for trial in trials])
    between = configuration_variance(scores_TR)
    total = float(scores_TR.mean(axis=1).var(ddof=1)) if common else 0.0
    return 1.0 if between is None else min(1.0, between / total) if total > 0 else 0.0


def _points(share: float) -> str:
    return f"{_number(share)} points"


def _number(share: float) -> str:
    return f"{100 * share:.1f}"
