"""The section on whether sentences far from their class, or from all others, are harder, for every arm of the
comparison; and its data.

Shapes: K draws, T test rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sweep.explain.distance import centre_distances, distance_slices, mean_distances
from sweep.explain.material import Material
from sweep.explain.slices import accuracy
from sweep.report.chart import Chart, Row, grouped, number
from sweep.report.section import Section, Table
from sweep.report.style import facets, legend, legend_height, marks
from sweep.report.wording import interval, points
from sweep.verdict.crossed import difference_components
from sweep.verdict.statistics import LEVEL

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["change_by_distance", "distance_section"]

Values = NDArray[np.float64]

_MEASURES = {
    "distance": ("centre of the class", "the mean of the other rows of the class"),
    "distance_to_all": ("centre of all rows", "the mean of all labelled rows, whatever their class"),
}


def distance_section(material: Material) -> Section:
    """Accuracy by distance to the centre of the class and of all rows; nothing where there are fewer than twenty test
    rows."""
    distances = {
        "distance": centre_distances(material.unit_ND, material.rows.labels_N)[material.tested],
        "distance_to_all": mean_distances(material.unit_ND)[material.tested],
    }
    charts = tuple(_chart(material, name, distance_T) for name, distance_T in distances.items())
    if not any(chart.rows for chart in charts):
        return Section(anchor="distance", title="Far-away sentences")
    text = (
        "Are sentences that lie far from their class harder? A wrong label lies far away too, and counts as an error: "
        "look at the doubtful labels first. And are those that lie far from all others?",
    )
    return Section(
        anchor="distance",
        title="Far-away sentences",
        text=text,
        charts=tuple(chart for chart in charts if chart.rows),
        tables=(_table(material, distances),),
    )


def change_by_distance(right_KT: Values, distance_T: Values) -> tuple[float, float, float] | None:
    """By how much accuracy changes from the nearest row to the farthest, and the interval of that at 95 % over draws
    and rows: the slope of a least-squares line over ranks of distance. None where draws or rows are too few.

    right_KT: 1 where a draw gets a row right, 0 where not, NaN where it does not test it.
    """
    known = np.flatnonzero(~np.isnan(distance_T) & ~np.isnan(right_KT).all(axis=0))
    if len(known) < 3 or len(right_KT) < 2:
        return None
    rank_T = np.argsort(np.argsort(distance_T[known], kind="stable"), kind="stable") / (len(known) - 1) - 0.5
    values_KT = right_KT[:, known]
    slope = float(np.nanmean(values_KT, axis=0) @ rank_T / (rank_T @ rank_T))
    rest_KT = values_KT - np.nanmean(values_KT) - slope * rank_T
    parts_KT = slope + rest_KT * rank_T / (rank_T**2).mean()  # the influence of each row on the slope
    reach = difference_components(parts_KT, graded=True).reach(LEVEL)
    return slope, slope - reach, slope + reach


def _table(material: Material, distances: Mapping[str, Values]) -> Table:
    rows = []
    for name, distance_T in distances.items():
        for method in material.said:
            found = change_by_distance(material.right(method), distance_T)
            if found is not None:
                rows.append((_MEASURES[name][0], method, points(found[0]), interval(*found[1:])))
    columns = ("distance to", "method", "accuracy, farthest less nearest row", "95 % interval")
    return Table(title="Change of accuracy with distance, in points", columns=columns, rows=tuple(rows), words=2)


def _chart(material: Material, name: str, distance_T: Values) -> Chart:
    title, mean = _MEASURES[name]
    return Chart(
        name=name,
        title=f"Accuracy by distance to the {title}",
        caption="Test rows in parts of equally many, the nearest first, with 95 % intervals over draws and rows. The "
        f"distance is 1 minus the cosine to {mean}, in embeddings of {material.encoder} before any training.",
        rows=_rows(material, distance_T),
        draw=_draw,
    )


def _rows(material: Material, distance_T: Values) -> tuple[Row, ...]:
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
    (axes,) = facets(1, height=2.6, titles=0.1, top=legend_height(known))
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
