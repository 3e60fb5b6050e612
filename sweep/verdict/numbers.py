"""The numbers of a verdict in words."""

from __future__ import annotations

from math import floor, log10

from sweep.verdict.model import Arm
from sweep.verdict.statistics import LEVEL, Difference, Summary

__all__ = [
    "difference_of",
    "duration",
    "interval",
    "is_nothing",
    "lead",
    "p_value",
    "percent",
    "points",
    "rounded",
    "score",
    "span",
]


def difference_of(arm: Arm) -> Difference:
    """The difference of an arm that has one."""
    assert arm.difference is not None
    return arm.difference


def lead(arm: Arm) -> float:
    """Its mean difference to the baseline."""
    return difference_of(arm).mean


def score(summary: Summary) -> str:
    """A mean score with its interval: `72.4 % (95 % interval 70.0 to 74.8, 10 draws)`."""
    draws = f", {summary.n} draws" if summary.n > 1 else ""
    return f"{percent(summary.mean)} ({interval(summary)}{draws})"


def interval(found: Summary | Difference) -> str:
    """An interval in percent, `95 % interval 70.0 to 74.8`, or of a difference in points, with signs."""
    if found.n == 1:
        return "one draw"
    if isinstance(found, Difference):
        return f"95 % interval {span(found.low, found.high)}"
    return f"95 % interval {_hundredths(found.low)} to {_hundredths(found.high)}"


def span(low: float, high: float) -> str:
    """The ends of an interval of a difference, in points: `-1.5 to +2.7`. Both ends have their signs, as the difference
    beside them has, so that nobody takes what a method is behind by for what its interval is of."""
    return f"{_signed(low)} to {_signed(high)}"


def percent(share: float) -> str:
    """`72.4 %`"""
    return f"{_hundredths(share)} %"


def points(share: float, *, sign: bool = False) -> str:
    """`4.1 points`, or with a sign `+4.1 points`."""
    return f"{_signed(share) if sign else _hundredths(share)} points"


def is_nothing(share: float) -> bool:
    """Whether it would be shown as 0.0 points."""
    return float(_hundredths(share)) == 0


def _signed(share: float) -> str:
    """`+4.1`, `-4.1`; nothing has no sign."""
    shown = _hundredths(share)
    return f"+{shown}" if float(shown) > 0 else shown


def _hundredths(share: float) -> str:
    """A share in percent with one decimal, never `-0.0`."""
    return f"{round(100 * share, 1) + 0.0:.1f}"


def p_value(arm: Arm) -> str:
    """`p = 0.012`, corrected; with more digits where it would be shown as the level, on either side of it."""
    value = arm.p_corrected
    assert value is not None
    if value < 0.001:
        return "p < 0.001"
    if f"{value:.3f}" == f"{LEVEL:.3f}":
        return f"p = {value:.5f}"
    return f"p = {value:.3f}" if value < 0.1 else f"p = {value:.2f}"


def duration(seconds: float) -> str:
    """A duration as `0.25 s`, `48 s`, `12 min` or `3.4 h`."""
    if 0 < seconds < 0.01:
        return "under 0.01 s"
    if seconds < 120:
        return f"{seconds:.2g} s" if seconds < 9.95 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def rounded(count: int) -> int:
    """The count rounded to two digits, since its estimate is no more precise."""
    step = int(10 ** max(0, floor(log10(count)) - 1))
    return round(count / step) * step
