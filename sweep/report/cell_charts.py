"""Figures of single cells: how their trials ended, where their variance comes from, and their confusion matrices.

Shapes: C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from sweep.records.results import SweepResults
from sweep.report.chart import Chart, Row, beginning, changed, grouped, number, text
from sweep.report.labels import fitted, is_legible, named
from sweep.report.style import ACCENT, GRID, INK, MUTED, PAPER, facets, new_figure
from sweep.verdict import Arm, Comparison, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["confusion", "outcomes", "spread"]

# Grey for the expected outcomes: colours stand for methods and for trials that went wrong.
_OUTCOMES = {
    "completed": MUTED,
    "pruned": GRID,
    "running": PAPER,
    "interrupted": "#e69f00",
    "diverged": "#cc79a7",
    "failed": "#d55e00",
}
_SOURCES = {"configuration": ("o", PAPER), "draw": ("s", INK), "seed": ("D", PAPER)}
_LABELLED = 12
"""The largest number of classes for which a confusion matrix has room for names and numbers."""
_MOST_CELLS, _MOST_MATRICES = 300, 40  # that a figure shows, each with a line of its own
_MATRIX, _TITLE, _CLASS = 2.3, 2.2, 0.85  # inches: of a matrix, its title, and a class's name beside it


def outcomes(verdict: Verdict) -> Chart | None:
    """A bar chart of the trials of each cell by outcome; None without trials."""
    rows: tuple[Row, ...] = tuple(
        {"cell": arm.cell, "outcome": outcome, "trials": count}
        for arm in cell_arms(verdict)
        for outcome, count in sorted(arm.cost.trials.items())
    )
    if not rows:
        return None
    shown, left_out = beginning(rows, "cell", _MOST_CELLS, ())
    labels = _cell_labels(shown)
    return Chart(
        name="outcomes",
        title="How trials ended",
        caption=f"Trials of each cell by outcome. All cells have the same budget of trials.{left_out}",
        rows=rows,
        draw=partial(_draw_outcomes, labels=labels),
        names=changed(labels),
        shown=shown,
    )


def spread(verdict: Verdict, metric: str) -> Chart | None:
    """A chart of the standard deviation of each cell's scores by source; None where none can be estimated."""
    rows: tuple[Row, ...] = tuple(
        {"cell": arm.cell, "source": source, "sd": 100 * sqrt(max(variance, 0.0))}
        for arm in cell_arms(verdict)
        for source in _SOURCES
        if (variance := getattr(arm.variances, source)) is not None
    )
    if not rows:
        return None
    shown, left_out = beginning(rows, "cell", _MOST_CELLS, ())
    labels = _cell_labels(shown)
    return Chart(
        name="spread",
        title="Where the variance comes from",
        caption="Standard deviation between configurations of the search, between draws, and between two "
        "initialisations on one draw. Where the draw has a larger share than the configuration, more draws tell more "
        f"than more trials.{left_out}",
        rows=rows,
        draw=partial(_draw_spread, labels=labels, label=f"standard deviation of {metric} (points)"),
        names=changed(labels),
        shown=shown,
    )


def confusion(results: SweepResults, verdict: Verdict) -> Chart | None:
    """The confusion matrices of the best arm of each comparison and of its baseline; None without any."""
    rows: tuple[Row, ...] = tuple(
        row
        for comparison in verdict.comparisons
        for arm in _shown(comparison)
        for row in _counts(results, comparison, arm)
    )
    if not rows:
        return None
    shown, left_out = beginning(rows, "comparison", _MOST_MATRICES, ("method",))
    titles = named(grouped(shown, "comparison"), "comparison", _TITLE, 9, bold=True, lines=2)
    classes = _class_labels(shown)
    return Chart(
        name="confusion",
        title="Confusion matrices",
        caption="Test rows by class (down) and predicted class (across, by its number), in percent of the class, over "
        f"all confirmation draws{_that_trained(verdict)}: the best arm of each comparison, and its baseline.{left_out}",
        rows=rows,
        draw=partial(_draw_confusion, titles=titles, classes=classes),
        names=(*changed(titles), *dict.fromkeys((label, name) for (_, name), label in classes.items())),
        shown=shown,
    )


def cell_arms(verdict: Verdict) -> tuple[Arm, ...]:
    """The arm of each cell once; the cell of a method that ignores an axis takes part in several comparisons."""
    return tuple({arm.cell: arm for comparison in verdict.comparisons for arm in comparison.arms}.values())


# ---- rows ------------------------------------------------------------------------------------------------------------


def _that_trained(verdict: Verdict) -> str:
    """Which draws have predictions, where a training of those that are shown diverged."""
    shown = (arm for comparison in verdict.comparisons for arm in _shown(comparison))
    return " but those that diverged" if any(arm.failures.diverged for arm in shown) else ""


def _shown(comparison: Comparison) -> list[Arm]:
    best = comparison.best.method if comparison.best else None
    return [arm for arm in comparison.arms if arm.confusion and arm.method in (best, comparison.baseline)]


def _counts(results: SweepResults, comparison: Comparison, arm: Arm) -> list[Row]:
    data = results.sweep.data.get(comparison.dataset)
    classes = len(arm.confusion)
    names = data.class_names if data and len(data.class_names) == classes else tuple(map(str, range(classes)))
    return [
        {
            "comparison": comparison.title,
            "method": arm.method,
            "class": names[row],
            "predicted": names[column],
            "rows": count,
        }
        for row, counts in enumerate(arm.confusion)
        for column, count in enumerate(counts)
    ]


def _cell_labels(rows: Sequence[Row]) -> Mapping[str, str]:
    return named(grouped(rows, "cell"), "cell", 2.9, 9 if len(grouped(rows, "cell")) <= _FEW_CELLS else 7.5)


def _class_labels(rows: Sequence[Row]) -> Mapping[tuple[str, str], str]:
    """The label of each class of a comparison: its number, and its name as far as it can be shown."""
    return {
        (title, name): f"{number}  {fitted(name, _CLASS, 7)}" if is_legible(name) else f"class {number}"
        for title, own in grouped(rows, "comparison").items()
        for number, name in enumerate(grouped(own, "class"), start=1)
    }


# ---- drawing ---------------------------------------------------------------------------------------------------------


_FEW_CELLS = 16  # whose names can be larger


def _cells(rows: Sequence[Row], labels: Mapping[str, str]) -> tuple[Axes, dict[str, int]]:
    """An empty panel with one line for each cell, and the line of each cell."""
    cells = {cell: place for place, cell in enumerate(grouped(rows, "cell"))}
    many = len(cells) > _FEW_CELLS
    axes = new_figure(7.0, 1.0 + (0.18 if many else 0.26) * len(cells)).subplots()
    axes.set_yticks(list(cells.values()), [labels[cell] for cell in cells], fontsize=7.5 if many else 9)
    axes.set_ylim(len(cells) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    return axes, cells


def _draw_outcomes(rows: Sequence[Row], *, labels: Mapping[str, str]) -> Figure:
    from matplotlib.ticker import MaxNLocator

    axes, cells = _cells(rows, labels)
    ends = dict.fromkeys(cells, 0.0)
    by_outcome = grouped(rows, "outcome")
    for outcome in [*(name for name in _OUTCOMES if name in by_outcome), *sorted(set(by_outcome) - set(_OUTCOMES))]:
        for place, row in enumerate(by_outcome[outcome]):
            cell, count = text(row, "cell"), number(row, "trials")
            label = outcome if place == 0 else None
            color = _OUTCOMES.get(outcome, MUTED)
            axes.barh(
                cells[cell],
                count,
                left=ends[cell],
                height=0.7,
                color=color,
                edgecolor=MUTED,
                linewidth=0.6,
                label=label,
            )
            ends[cell] += count
    axes.set_xlabel("trials")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return _with_legend(axes, len(by_outcome))


def _draw_spread(rows: Sequence[Row], *, labels: Mapping[str, str], label: str) -> Figure:
    axes, cells = _cells(rows, labels)
    for source, own in grouped(rows, "source").items():
        marker, face = _SOURCES[source]
        axes.plot(
            [number(row, "sd") for row in own],
            [cells[text(row, "cell")] for row in own],
            marker,
            color=INK,
            markerfacecolor=face,
            clip_on=False,
            label=source,
        )
    axes.set_xlim(left=0)
    axes.set_xlabel(label)
    return _with_legend(axes, len(_SOURCES))


def _with_legend(axes: Axes, columns: int) -> Figure:
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.legend(loc="outside upper right", ncols=columns, fontsize=8)
    return figure


def _draw_confusion(
    rows: Sequence[Row], *, titles: Mapping[str, str], classes: Mapping[tuple[str, str], str]
) -> Figure:
    matrices = {
        (title, method): own
        for title, counts in grouped(rows, "comparison").items()
        for method, own in grouped(counts, "method").items()
    }
    panels = facets(len(matrices), height=_MATRIX, titles=0.75, beside=1.2)
    for axes, ((title, method), own) in zip(panels, matrices.items(), strict=True):
        names = [classes[title, name] for name in grouped(own, "class")]
        counts_CC = np.array([number(row, "rows") for row in own]).reshape(len(names), len(names))
        _draw_matrix(axes, names, counts_CC / np.maximum(counts_CC.sum(axis=1, keepdims=True), 1))
        axes.set_title(f"{titles[title]}\n{fitted(method, _TITLE, bold=True)}", pad=6)
    figure = panels[0].get_figure(root=True)
    assert figure is not None
    return figure


def _draw_matrix(axes: Axes, names: Sequence[str], share_CC: np.ndarray) -> None:
    from matplotlib.colors import to_rgb

    # Opacity, and not a colour map, so that no share at all is the page itself, light or dark.
    colours = np.empty((*share_CC.shape, 4))
    colours[..., :3] = to_rgb(ACCENT)
    colours[..., 3] = 0.03 + 0.72 * share_CC
    axes.imshow(colours, interpolation="none", aspect="equal")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    if len(names) > _LABELLED:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlabel(f"{len(names)} classes, in the order of the data")
        return
    axes.set_xticks(range(len(names)), [str(number + 1) for number in range(len(names))], fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    size = 9 if len(names) < 5 else 7.5 if len(names) < 9 else 5.5
    for (row, column), share in np.ndenumerate(share_CC):
        axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=size, color=INK)
