"""Whether the explanations of a model hold: checks over many predictions, each with what it found and what would pass.

Shapes: N predictions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweep.explain.attribution.explained import Prediction
from sweep.explain.attribution.integrated_gradients import TOLERANCE
from sweep.verdict.statistics import mean_interval

__all__ = ["Check", "Known", "checks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check of explanations.

    name: what is judged.
    found: the mean over predictions; low, high: its interval at 95 %, None of a single prediction.
    beside: what it is compared with, if anything.
    rows: of how many predictions.
    passed: whether it holds.
    rule: when it would hold, in words.
    """

    name: str
    found: float
    low: float | None
    high: float | None
    beside: float | None
    rows: int
    passed: bool
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of predictions beside themselves.

    right_N: whether each is right; empty where no labels are known.
    majority: the share of the largest class among their labels.
    random: the agreement of each with the explanation by random weights (`other_models.agreements`).
    draws: likewise with the models of other draws, for each of them.
    """

    right_N: Sequence[bool] = ()
    majority: float = 0.0
    random: Sequence[float | None] = ()
    draws: Sequence[Sequence[float | None]] = ()


def checks(predictions: Sequence[Prediction], known: Known) -> tuple[Check, ...]:
    """Judge the explanations of a model's predictions, which should be drawn at random."""
    return tuple(_checks(predictions, known)) if predictions else ()


def _checks(predictions: Sequence[Prediction], known: Known) -> Iterator[Check]:
    if known.right_N:
        yield _model(known)
    yield _converged(predictions)
    judged = [each.faithfulness for each in predictions if each.faithfulness is not None]
    if judged:
        removed = [(each.removed_S.mean(), each.removed_random_S.mean()) for each in judged]
        yield _compared("comprehensiveness", removed, "more than for random words", sign=1)
        kept = [(each.kept_S.mean(), each.kept_random_S.mean()) for each in judged]
        yield _compared("sufficiency", kept, "less than for random words", sign=-1)
    left_out = [each.rank_agreement for each in predictions]
    known_tau = [tau for tau in left_out if tau is not None]
    if known_tau:
        yield _alone("agreement with leaving words out", known_tau, "more than 0")
    if known.random:
        both = [(random, tau) for random, tau in zip(known.random, left_out, strict=True) if _both(random, tau)]
        if both:
            yield _compared("agreement with random weights", both, "less than with leaving words out", sign=-1)
    draws = [tau for each in zip(*known.draws, strict=True) if (tau := _mean(each)) is not None]
    if draws:
        yield _alone("agreement with other draws", draws, "more than 0")


def _both(first: float | None, second: float | None) -> bool:
    return first is not None and second is not None


def _mean(found: Sequence[float | None]) -> float | None:
    known = [each for each in found if each is not None]
    return float(np.mean(known)) if known else None


def _model(known: Known) -> Check:
    from scipy import stats

    right, rows = sum(known.right_N), len(known.right_N)
    p_value = stats.binomtest(right, rows, min(known.majority, 1.0), alternative="greater").pvalue
    interval = stats.binomtest(right, rows).proportion_ci(method="wilson")
    return Check(
        name="accuracy of the model",
        found=right / rows,
        low=float(interval.low),
        high=float(interval.high),
        beside=known.majority,
        rows=rows,
        passed=bool(p_value < 0.05),
        rule="more than the largest class, at 5 %",
    )


def _converged(predictions: Sequence[Prediction]) -> Check:
    share = float(np.mean([each.attribution.converged for each in predictions]))
    return Check(
        name="the words add up",
        found=share,
        low=None,
        high=None,
        beside=None,
        rows=len(predictions),
        passed=share >= 0.95,
        rule=f"within {100 * TOLERANCE:g} % in at least 95 % of them",
    )


def _compared(name: str, pairs: Sequence[tuple[float | None, float | None]], rule: str, *, sign: int) -> Check:
    """The first of each pair against the second; the interval is that of the first, the test that of the difference."""
    values_N2 = np.array(pairs, dtype=np.float64)
    low, high = _interval(values_N2[:, 0])
    surely_low, _ = _interval(sign * (values_N2[:, 0] - values_N2[:, 1]))
    found, beside = values_N2.mean(axis=0)
    return Check(
        name=name,
        found=float(found),
        low=low,
        high=high,
        beside=float(beside),
        rows=len(values_N2),
        passed=surely_low is not None and surely_low > 0,
        rule=rule,
    )


def _alone(name: str, values: Sequence[float], rule: str) -> Check:
    low, high = _interval(np.array(values))
    return Check(
        name=name,
        found=float(np.mean(values)),
        low=low,
        high=high,
        beside=None,
        rows=len(values),
        passed=low is not None and low > 0,
        rule=rule,
    )


def _interval(values_N: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """The interval of the mean at 95 %; none of a single prediction, which tells nothing of others."""
    if len(values_N) < 2:
        return None, None
    low, high = mean_interval(values_N)
    return float(low), float(high)
