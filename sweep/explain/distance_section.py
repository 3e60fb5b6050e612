"""The section on whether sentences far from their class are harder, for every arm of the comparison; and its data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sweep.explain.distance import centre_distances, distance_slices
from sweep.explain.material import Material
from sweep.explain.slices import accuracy
from sweep.report.chart import Chart, Row, grouped, number
from sweep.report.section import Section
from sweep.report.style import facets, legend, legend_height, marks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["distance_section"]


def distance_section(material: Material) -> Section:
    """Accuracy by distance to the centre of the class; nothing where there are fewer than twenty test rows."""
    rows = _rows(material)
    chart = Chart(
        name="distance",
        title="Accuracy by distance to the centre of the class",
        caption="Test rows in parts of equally many, the nearest first, with 95 % intervals over draws and rows. The "
        f"distance is 1 minus the cosine to the mean of the other rows of the class, in embeddings of "
        f"{material.encoder} before any training.",
        rows=rows,
        draw=_draw,
    )
    text = (
        "Are sentences that lie far from their class harder? A wrong label lies far away too, and counts as an error: "
        "look at the doubtful labels first.",
    )
    return Section(
        anchor="distance", title="Far-away sentences", text=text if rows else (), charts=(chart,) if rows else ()
    )


def _rows(material: Material) -> tuple[Row, ...]:
    distance_T = centre_distances(material.unit_ND, material.rows.labels_N)[material.tested]
    parts = distance_slices(distance_T)
    found = [
        (method, place, part, accuracy(material.right(method), part.rows_T))
        for method in material.said
        for place, part in enumerate(parts, start=1)
    ]
    return tuple(
        {
            "method": method,
            "part": place,
            "distances": part.name,
            "mean_distance": float(np.mean(distance_T[part.rows_T])),
            "rows": each.rows,
            "accuracy": each.mean,
            "low": each.low,
            "high": each.high,
        }
        for method, place, part, each in found
        if each.rows
    )


def _draw(rows: tuple[Row, ...]) -> Figure:
    by_method = grouped(rows, "method")
    known = marks(list(by_method))
    (axes,) = facets(1, height=2.6, titles=0.1, top=legend_height(len(known)))
    figure = axes.get_figure(root=True)
    assert figure is not None, "a panel of a figure"
    for place, (method, own) in enumerate(by_method.items()):
        shift = 0.12 * (place - (len(by_method) - 1) / 2)  # so that intervals stand side by side
        at = [number(row, "part") + shift for row in own]
        mean, low, high = ([100 * number(row, name) for row in own] for name in ("accuracy", "low", "high"))
        axes.vlines(at, low, high, color=known[method].color, linewidth=1)
        axes.plot(at, mean, color=known[method].color, marker=known[method].marker)
    shown = next(iter(by_method.values()))
    axes.set_xticks([number(row, "part") for row in shown], [f"{number(row, 'mean_distance'):.2f}" for row in shown])
    axes.set_xlabel("mean distance of the part")
    axes.set_ylabel("accuracy in %")
    axes.grid(axis="x", visible=False)
    legend(figure, known)
    return figure
