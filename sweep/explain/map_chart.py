"""The figure of the test rows in two planes, before training and after.

Shapes: M rows that are drawn, D embedding size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sweep.explain.maps import Maps, evenly, maps
from sweep.explain.material import Material
from sweep.report.chart import Chart, Row, changed, number, text
from sweep.report.labels import named
from sweep.report.style import MUTED, Mark, facets, legend, legend_height, marks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sweep.explain.predictions import TrainedEmbeddings

__all__ = ["map_chart"]

_CLASSES = 10  # that have a colour of their own


@dataclass(frozen=True, slots=True)
class _Plane:
    """Two columns of the data, and the title of their panel."""

    columns: tuple[str, str]
    title: str


_PLANES = (
    _Plane(("component_1", "component_2"), "principal components"),
    _Plane(("tsne_1", "tsne_2"), "t-SNE"),
)


def map_chart(material: Material, trained: TrainedEmbeddings | None) -> Chart | None:
    """The test rows in embeddings of the encoder as it was and, where they are known, as a draw trained it; None where
    there are too few of them."""
    if trained is None:
        rows_M = evenly(np.arange(len(material.tested)))
        states = {"before": material.unit_ND[material.tested[rows_M]]}
    else:
        rows_M = trained.rows
        states = {"before": material.unit_ND[material.tested[rows_M]], "after": trained.unit_MD}
    found = {state: maps(unit_MD) for state, unit_MD in states.items()}
    known = {state: each for state, each in found.items() if each is not None}
    if len(known) < len(found):
        return None
    labels = named(material.data.class_names, "class", 1.3)
    shares = " and ".join(f"{100 * each.share:.0f} % of the variance {state}" for state, each in known.items())
    return Chart(
        name="map",
        title="Test rows before and after training" if trained else "Test rows before any training",
        caption=f"Left: principal components, {shares} training. Right: t-SNE with a fixed seed."
        + (" Below: after training on one draw, rows that it has not trained on." if trained else "")
        + ("" if len(rows_M) == len(material.tested) else f" Shown: {len(rows_M)} rows, evenly chosen."),
        rows=tuple(row for state, each in known.items() for row in _rows(material, rows_M, state, each)),
        draw=lambda drawn: _draw(drawn, labels),
        names=changed(labels),
    )


def _rows(material: Material, rows_M: NDArray[np.int64], state: str, found: Maps) -> Iterator[Row]:
    for row, first, second in zip(
        rows_M.tolist(), found.components_N2.tolist(), found.neighbours_N2.tolist(), strict=True
    ):
        yield {
            "training": state,
            "row": int(material.tested[row]),
            "class": material.data.class_names[int(material.data.test.labels_N[row])],
            "component_1": first[0],
            "component_2": first[1],
            "tsne_1": second[0],
            "tsne_2": second[1],
        }


def _draw(rows: tuple[Row, ...], labels: Mapping[str, str]) -> Figure:
    states = tuple(dict.fromkeys(text(row, "training") for row in rows))
    classes = [text(row, "class") for row in rows]
    counts = {name: classes.count(name) for name in labels}
    coloured = sorted(labels, key=lambda name: -counts[name])[:_CLASSES]
    known = marks([name for name in labels if name in coloured])
    panels = facets(2 * len(states), height=2.9, titles=0.3, top=legend_height(known))
    drawn = [(state, plane) for state in states for plane in _PLANES]
    for axes, (state, plane) in zip(panels, drawn, strict=True):
        _scatter(axes, [row for row in rows if row["training"] == state], plane, labels, known)
        axes.set_title(plane.title if len(states) == 1 else f"{plane.title}, {state} training")
    figure = panels[0].get_figure(root=True)
    assert figure is not None, "a panel of a figure"
    legend(figure, {labels[name]: mark for name, mark in known.items()})
    return figure


def _scatter(
    axes: Axes, rows: Sequence[Row], plane: _Plane, labels: Mapping[str, str], known: Mapping[str, Mark]
) -> None:
    for name in labels:
        at = np.array([[number(row, column) for column in plane.columns] for row in rows if row["class"] == name])
        if len(at):
            color, marker = (known[name].color, known[name].marker) if name in known else (MUTED, ".")
            axes.scatter(at[:, 0], at[:, 1], s=9, color=color, marker=marker, linewidths=0, alpha=0.8)
    axes.set_xticks([])
    axes.set_yticks([])
