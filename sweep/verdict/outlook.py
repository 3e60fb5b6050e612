"""Labels or search: what twice the labels, and what twice the trials, would bring the best method.

Shapes: K arms, N draws, T test rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import comb, log2, sqrt

import numpy as np
from numpy.typing import NDArray

from sweep.records.trial import TrialRecord
from sweep.verdict.crossed import covariance
from sweep.verdict.model import Arm, Comparison
from sweep.verdict.variance import configuration_variance
from trainable.outcomes import Outcome
from trainable.shots import Shots

__all__ = ["Expected", "Outlook", "last_doubling", "more_labels", "more_trials", "outlooks"]

_FEWEST_TRIALS = 4
_SPREAD = 0.25  # how far the real gain lay from the expected one, as a share of it: one standard deviation
_REACH = 1.96


@dataclass(frozen=True, slots=True)
class Expected:
    """A gain that is expected, as a share, with its interval at 95 %."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What more labels, or more trials, would bring a method on one dataset.

    title: of the comparison with the most labels.
    method: the best one there.
    shots, fewer: the two largest numbers of labels that were compared.
    labels: the gain by twice the labels.
    trials: the gain by twice the trials; None where too few were completed.
    """

    title: str
    method: str
    shots: Shots
    fewer: Shots
    labels: Expected
    trials: float | None

    @property
    def sentence(self) -> str:
        """What would bring more."""
        gain = f"{_points(self.labels.mean)} ({_number(self.labels.low)} to {_number(self.labels.high)})"
        text = (
            f"{self.title}: twice the labels would bring {self.method} about {gain}, if its error falls as it did "
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
    curves: dict[tuple[str, str, str], list[Comparison]] = {}
    for comparison in comparisons:
        curves.setdefault((comparison.dataset, comparison.sampling, comparison.others), []).append(comparison)
    return tuple(found for curve in curves.values() for found in _outlook(curve, trials))


def _outlook(curve: Sequence[Comparison], trials: Mapping[str, Sequence[TrialRecord]]) -> Iterator[Outlook]:
    scored = sorted((each for each in curve if each.best is not None), key=lambda each: each.per_unit)
    if len(scored) < 2 or (most := scored[-1]).best is None:
        return
    fewer, best = scored[-2], most.best
    earlier = fewer.arm(best.method)
    more = most.per_unit > fewer.per_unit  # "at most 8" may be all that there is
    if earlier is None or earlier.summary is None or best.summary is None or not more:
        return
    yield Outlook(
        title=most.title,
        method=best.method,
        shots=most.shots,
        fewer=fewer.shots,
        labels=more_labels(
            1 - earlier.summary.mean,
            1 - best.summary.mean,
            _covariance_of(earlier, best),
            log2(most.per_unit / fewer.per_unit),
        ),
        trials=more_trials(trials.get(best.cell, ())),
    )


# ---- twice the labels ------------------------------------------------------------------------------------------------


def more_labels(fewer: float, most: float, covariance_KK: NDArray[np.float64], doublings: float = 1.0) -> Expected:
    """The gain of twice the labels, if the error continues to fall by the same share with each doubling: a power law,
    as learning curves have (Hestness et al., 2017, arXiv:1712.00409), no further than one doubling.

        gain = e (1 - (e / e')^(1 / doublings))

    The interval has the uncertainty of both errors (delta method), and what real curves differ from the law by
    (`tests/benchmarks/learning_curves.py`).

    fewer, most: the errors e' and e at the two largest numbers of labels. covariance_KK: of these two.
    doublings: of the labels from one to the other.
    """
    few, many = max(1e-6, fewer), max(1e-6, most)
    ratio = min(1.0, many / few) ** (1 / doublings)  # more labels are not expected to do harm
    gain = many * (1 - ratio)
    slopes_K = np.array([ratio * many / (few * doublings), 1 - (1 + 1 / doublings) * ratio])
    variance = float(slopes_K @ covariance_KK @ slopes_K) + (_SPREAD * gain) ** 2
    reach = _REACH * sqrt(max(0.0, variance))
    return Expected(gain, max(0.0, gain - reach), min(many, gain + reach))


def _covariance_of(fewer: Arm, most: Arm) -> NDArray[np.float64]:
    """The covariances of two arms' means, over the draws and rows that both have; without them, as if independent."""
    places = [place for place in fewer.rows_by_draw if place in most.rows_by_draw]
    sizes = {len(arm.rows_by_draw[place]) for arm in (fewer, most) for place in places}
    if len(places) >= 2 and len(sizes) == 1 and sizes.pop() >= 2:
        return covariance(np.stack([[arm.rows_by_draw[place] for place in places] for arm in (fewer, most)]))
    found = [arm.summary for arm in (fewer, most) if arm.summary is not None]
    return np.diag([each.sd**2 / each.n for each in found])


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
