"""Critical-difference diagrams (Demsar, 2006, JMLR 7): average ranks of the methods, and which cannot be told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from sweep.report.chart import Chart, Row, number, text
from sweep.report.labels import method_labels, width
from sweep.report.style import INK, MUTED, Mark, new_figure
from sweep.report.wording import p_value
from sweep.verdict import Verdict
from sweep.verdict.statistics import Ranks
from trainable.shots import Shots, in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ranks"]

Marks = Mapping[str, Mark]

_WIDTH, _RANK = 7.0, 0.55  # of the figure, and of an average rank beside a name, in inches


def ranks(verdict: Verdict, known: Marks) -> tuple[Chart, ...]:
    """A critical-difference diagram (Demsar, 2006) for each number of shots that has ranks."""
    labels: dict[Shots, dict[str, None]] = {}
    for each in verdict.comparisons:
        labels.setdefault(each.shots, {})[in_words(each.shots, each.sampling)] = None
    return tuple(_rank_chart(shots, " or ".join(labels[shots]), found, known) for shots, found in verdict.ranks.items())


def _rank_chart(shots: Shots, labels: str, found: Ranks, known: Marks) -> Chart:
    rows: tuple[Row, ...] = tuple(
        {
            "method": method,
            "average_rank": average,
            "datasets": found.datasets,
            "critical_difference": found.critical_difference,
            "friedman_p": found.p_value,
        }
        for method, average in sorted(zip(found.methods, found.average, strict=True), key=lambda pair: pair[1])
    )
    return Chart(
        name=f"ranks-{str(shots).replace(' ', '-')}",
        title=f"Average ranks over {found.datasets} datasets, {labels}",
        caption="1 is best. Methods joined by a bar differ by less than the critical difference (CD, Nemenyi's test at "
        f"5 %) and cannot be told apart. {_tested(found)}.",
        rows=rows,
        draw=partial(_draw_ranks, known=known),
    )


def _tested(found: Ranks) -> str:
    """The test of any difference at all; of two methods it is another one (`average_ranks`)."""
    name = "Friedman's test of any difference at all" if len(found.methods) > 2 else "Wilcoxon's signed-rank test"
    shown = p_value(found.p_value)
    return f"{name}: p {shown if shown.startswith('<') else f'= {shown}'}"


def _draw_ranks(rows: Sequence[Row], *, known: Marks) -> Figure:
    difference, last = number(rows[0], "critical_difference"), len(rows)
    bars = _cliques([number(row, "average_rank") for row in rows], difference)
    depth = 0.6 + 0.28 * len(bars)  # below the bars
    bottom = depth + 0.55 * ((last + 1) // 2)
    labels = dict(zip(names := [text(row, "method") for row in rows], method_labels(names), strict=True))
    margin = max(map(width, labels.values())) + _RANK
    beside = margin * (last - 0.6) / (_WIDTH - 2 * margin)  # the margin, in ranks
    figure = new_figure(_WIDTH, 0.75 + 0.3 * bottom)
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_xlim(0.8 - beside, max(last + 0.2 + beside, 1.2 + difference))
    axes.set_ylim(bottom, -1.9)
    _draw_scale(axes, last, difference)
    _draw_names(axes, rows, depth, labels, known)
    for level, (low, high) in enumerate(bars):
        height = 0.3 + 0.28 * level
        axes.plot([low - 0.05, high + 0.05], [height, height], color=INK, linewidth=3, solid_capstyle="butt")
    return figure


def _draw_scale(axes: Axes, last: int, difference: float) -> None:
    axes.plot([1, last], [0, 0], color=MUTED, linewidth=1)
    for rank in range(1, last + 1):
        axes.plot([rank, rank], [0, -0.2], color=MUTED, linewidth=1)
        axes.text(rank, -0.3, str(rank), ha="center", va="bottom", color=INK)
    axes.plot([1, 1 + difference], [-1.2, -1.2], color=INK, linewidth=1.5, marker="|", markersize=7)
    axes.text(1 + difference / 2, -1.35, f"CD = {difference:.2f}", ha="center", va="bottom")


def _draw_names(axes: Axes, rows: Sequence[Row], depth: float, labels: Mapping[str, str], known: Marks) -> None:
    """Write the names of the better half on the left and the others on the right, so that no two lines cross twice."""
    last = len(rows)
    for place, row in enumerate(rows):
        average, method = number(row, "average_rank"), text(row, "method")
        best = place < (last + 1) // 2
        height = depth + 0.55 * (place if best else last - 1 - place) + 0.2
        edge = 0.8 if best else last + 0.2
        axes.plot([average, average, edge], [0, height, height], color=known[method].color, linewidth=1.3)
        name = f"{labels[method]}  {average:.2f} " if best else f" {average:.2f}  {labels[method]}"
        axes.text(edge, height, name, ha="right" if best else "left", va="center")


def _cliques(averages: Sequence[float], difference: float) -> list[tuple[float, float]]:
    """The longest spans of sorted average ranks in which no difference is significant."""
    spans: list[tuple[float, float]] = []
    for low in averages:
        high = max(average for average in averages if low <= average < low + difference)
        if high > low and (not spans or high > spans[-1][1]):
            spans.append((low, high))
    return spans
