"""The accuracy of an arm on each slice, with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sweep.report.chart import Chart, Row, changed, number, text
from sweep.report.labels import named
from sweep.report.style import ACCENT, MUTED, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["slices_chart"]

_MOST = 40  # lines that a figure has room for
_LINE = 0.24  # inches


def slices_chart(rows: tuple[Row, ...], method: str) -> Chart:
    """The figure of `slice_rows` of one arm, of which the first is all test rows."""
    labels = named([text(row, "slice") for row in rows], "slice", 2.4)
    shown = rows[:_MOST]
    caption = (
        "Mean test accuracy over draws, with 95 % intervals over draws and rows. The line is that on all test rows."
    )
    if len(shown) < len(rows):
        caption += f" Shown: the first {len(shown)} of {len(rows)} slices; the data beside the page have all."
    return Chart(
        name="slices",
        title=f"Accuracy of {method} by slice",
        caption=caption,
        rows=rows,
        draw=lambda drawn: _draw(drawn, [labels[text(row, "slice")] for row in drawn]),
        names=changed(labels),
        shown=shown,
    )


def _draw(rows: tuple[Row, ...], labels: list[str]) -> Figure:
    figure = new_figure(7.0, 0.7 + _LINE * len(rows))
    axes = figure.subplots()
    places = [-float(place) for place in range(len(rows))]
    mean, low, high = ([100 * number(row, name) for row in rows] for name in ("accuracy", "low", "high"))
    axes.axvline(mean[0], color=MUTED, linewidth=1, zorder=1)
    axes.hlines(places, low, high, color=ACCENT, linewidth=1.5)
    axes.plot(mean, places, "o", color=ACCENT)
    axes.set_yticks(places, [f"{label} ({row['rows']})" for label, row in zip(labels, rows, strict=True)])
    axes.set_ylim(places[-1] - 0.6, 0.6)
    axes.set_xlim(right=101)
    axes.set_xlabel("accuracy in % (rows in brackets)")
    axes.grid(axis="y", visible=False)
    return figure
