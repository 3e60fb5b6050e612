"""Formats of numbers, durations and configurations in a report."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan

from sweep.records.results import SweepResults
from sweep.verdict.statistics import LEVEL
from sweep.verdict.wording import METRICS
from trainable.ranges import Scalar

__all__ = [
    "MINUS",
    "configuration",
    "interval",
    "metric_name",
    "p_value",
    "percent",
    "points",
    "probability",
    "share",
]

MINUS = "\N{MINUS SIGN}"


def percent(value: float | None) -> str:
    """A share in percent with one decimal, `63.1`; a dash for what is not known."""
    return "–" if value is None or isnan(value) else f"{100 * value:.1f}"


def share(value: float | None) -> str:
    """A share in whole percent, `63 %`, for shares that are not scores; a dash for None."""
    return "–" if value is None else f"{100 * value:.0f} %"


def probability(value: float | None) -> str:
    """A probability in whole percent, `63 %`, never certain: it was found by resamples; a dash for None."""
    if value is None or 0.01 <= value < 0.995:
        return share(value)
    return "> 99 %" if value > 0.5 else "< 1 %"


def points(value: float | None) -> str:
    """A difference of shares in points with its sign, `+2.4`; a dash for None."""
    if value is None:
        return "–"
    shown = f"{abs(100 * value):.1f}"
    return shown if shown == "0.0" else f"{'+' if value > 0 else MINUS}{shown}"


def p_value(value: float | None) -> str:
    """A p-value as `0.012` or `< 0.001`; a dash for None."""
    if value is None:
        return "–"
    if f"{value:.3f}" == f"{LEVEL:.3f}":  # on which side of the level it is, can be seen
        return f"{value:.5f}"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def configuration(params: Mapping[str, Scalar]) -> str:
    """The values of a configuration as `encoder_lr=3.1e-05, beta=0.4`."""
    return ", ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}" for name, value in params.items()
    )


def metric_name(results: SweepResults) -> str:
    """The name of the metric that a sweep's scores are; the names of all, where it is an axis."""
    spec = results.sweep.spec
    single = spec.get("protocol", {}).get("metric", "accuracy")
    return " or ".join(METRICS.get(str(name), str(name)) for name in spec.get("compare", {}).get("metric", [single]))


def interval(low: float, high: float, *, signed: bool = True) -> str:
    """An interval of shares as `60.2 to 65.0`; of differences, with signs; a dash for that of a single draw."""
    if isnan(low) or isnan(high):
        return "–"
    shown = points if signed else percent
    return f"{shown(low)} to {shown(high)}"
