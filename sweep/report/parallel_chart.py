"""Parallel coordinates: each trial of a method as a line through the values of its fields to its score."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sweep.records.results import SweepResults
from sweep.records.trial import TrialRecord
from sweep.report.chart import Chart, Row, Value, grouped, number, text
from sweep.report.importance import is_wide, relative_scores
from sweep.report.labels import fitted, is_legible
from sweep.report.style import ACCENT, GRID, MUTED, Mark, as_pixels, facets
from sweep.report.wording import MINUS
from trainable.ranges import Scalar

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["parallel"]

Marks = Mapping[str, Mark]


def parallel(results: SweepResults, known: Marks) -> Chart | None:
    """The searched fields and the score of every trial, as parallel coordinates by method; None without scores."""
    scored = relative_scores(results.trials)
    rows: tuple[Row, ...] = tuple(
        {
            "method": trial.config.method,
            "cell": trial.cell,
            "trial": trial.number,
            "field": name,
            "value": value if isinstance(value, int | float) and not isinstance(value, bool) else str(value),
            "score": 100 * score,
        }
        for trial, score in scored
        for name, value in _searched(trial).items()
    )
    if not rows:
        return None
    return Chart(
        name="parallel",
        title="Configurations and scores",
        caption="One line for each trial, from field to field to its score relative to the mean of its cell, in "
        "points. Thick lines: the best third. A line passes by fields that its trial does not have.",
        rows=rows,
        draw=partial(_draw_parallel, known=known),
    )


def _searched(trial: TrialRecord) -> dict[str, Scalar]:
    return {name: value for name, value in trial.params.items() if name != "loss" and value is not None}


def _draw_parallel(rows: Sequence[Row], *, known: Marks) -> Figure:
    groups, pixels = grouped(rows, "method"), as_pixels(len(_by_trial(rows)))
    panels = facets(len(groups), columns=1, height=1.7, titles=0.8)
    figure = panels[0].get_figure(root=True)
    assert figure is not None
    for axes, (method, own) in zip(panels, groups.items(), strict=True):
        _draw_lines(axes, own, known.get(method, Mark(ACCENT, "o")), pixels=pixels)
        axes.set_title(f"{method}  ({len(_by_trial(own))} trials)", pad=22)
    return figure


def _by_trial(rows: Sequence[Row]) -> dict[tuple[Value, Value], list[Row]]:
    """The rows of each trial."""
    trials: dict[tuple[Value, Value], list[Row]] = {}
    for row in rows:
        trials.setdefault((row["cell"], row["trial"]), []).append(row)
    return trials


def _draw_lines(axes: Axes, rows: Sequence[Row], mark: Mark, *, pixels: bool) -> None:
    from matplotlib.collections import LineCollection

    fields = list(grouped(rows, "field"))
    scales = {name: _scale([row["value"] for row in rows if row["field"] == name]) for name in fields}
    scores = _scale([row["score"] for row in rows])
    # Of equal trials the earliest is the best, as where a cell's winner is chosen.
    trials = sorted(_by_trial(rows).values(), key=lambda own: (number(own[0], "score"), -number(own[0], "trial")))
    best = len(trials) - max(1, len(trials) // 3)
    lines = [_line(own, scales, scores) for own in trials]
    # One artist for all that look alike: an artist for each trial takes minutes to draw a large search.
    for own, color, width, alpha in ((lines[:best], MUTED, 0.6, 0.55), (lines[best:], mark.color, 1.5, 0.9)):
        drawn = LineCollection(own, colors=color, linewidths=width, alpha=alpha, zorder=2)
        drawn.set_rasterized(pixels)
        axes.add_collection(drawn)
    for place, (name, scale) in enumerate([*scales.items(), ("score", scores)]):
        axes.axvline(place, color=GRID if name != "score" else MUTED, linewidth=1)
        axes.text(place, -0.06, f"{scale.low}", ha="center", va="top", fontsize=7.5, color=MUTED)
        axes.text(place, 1.05, f"{scale.high}", ha="center", va="bottom", fontsize=7.5, color=MUTED)
    names = [name.removeprefix("loss.").replace("_", "\n", 1) for name in fields]
    axes.set_xticks(range(len(fields) + 1), [*names, "score\n(points)"], fontsize=8)
    axes.tick_params(axis="x", length=0, pad=14)
    axes.set_yticks([])
    axes.set_ylim(-0.03, 1.03)
    axes.grid(visible=False)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def _line(trial: Sequence[Row], scales: Mapping[str, _Scale], scores: _Scale) -> list[tuple[float, float]]:
    """The points of a trial's line, which passes by the fields that it does not have."""
    heights = {text(row, "field"): scales[text(row, "field")].height(row["value"]) for row in trial}
    own = [(place, heights[name]) for place, name in enumerate(scales) if name in heights]
    return [*own, (len(scales), scores.height(trial[0]["score"]))]


@dataclass(frozen=True, slots=True)
class _Scale:
    """A vertical axis, from the lowest (0) to the highest (1) of the values that were tried.

    tried: the values in ascending order.
    log: True for a logarithmic axis.
    numeric: False if the values are names.
    """

    tried: tuple[Value, ...]
    log: bool
    numeric: bool

    @property
    def low(self) -> str:
        return _short(self.tried[0])

    @property
    def high(self) -> str:
        return _short(self.tried[-1])

    def height(self, value: Value) -> float:
        low, high = self.tried[0], self.tried[-1]
        if low == high:
            return 0.5
        if not self.numeric:
            return self.tried.index(value) / (len(self.tried) - 1)
        assert isinstance(value, int | float)
        assert isinstance(low, int | float)
        assert isinstance(high, int | float)
        return math.log(value / low) / math.log(high / low) if self.log else (value - low) / (high - low)


def _scale(tried: Sequence[Value]) -> _Scale:
    numbers = [value for value in tried if isinstance(value, int | float)]
    if len(numbers) < len(tried):
        return _Scale(tuple(sorted({str(value) for value in tried})), log=False, numeric=False)
    return _Scale(tuple(sorted(set(numbers))), log=is_wide(numbers), numeric=True)


def _short(value: Value) -> str:
    return f"{value:.2g}".replace("-", MINUS, value < 0) if isinstance(value, float) else _named(str(value))


def _named(value: str) -> str:
    return fitted(value, 0.7, 7.5) if is_legible(value) else "…"
