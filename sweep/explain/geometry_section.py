"""The section on how the texts lie, before any training and after; and its data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sweep.explain.maps import Maps, maps
from sweep.explain.material import Material
from sweep.report.chart import Chart, Row, changed, number, text
from sweep.report.labels import named
from sweep.report.section import Section, Table
from sweep.report.style import MUTED, facets, legend, legend_height, marks
from sweep.verdict import Arm
from sweep.verdict.statistics import summarise
from trainable.evaluation.geometry import PREFIX, embedding_geometry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["geometry_rows", "geometry_section"]

_BEFORE = "before training"
_NAMES = {
    "class_ratio": "within / between classes",
    "alignment": "alignment",
    "uniformity": "uniformity",
    "proxies_used": "proxies used",
    "proxy_cosine": "proxies of a class, cosine",
}
_CLASSES = 10  # that have a colour of their own


def geometry_section(material: Material, rows: Sequence[Row]) -> Section:
    """Numbers of every arm beside those of the frozen encoder, and the test rows in two planes."""
    found = maps(material.unit_ND[material.tested])
    return Section(
        anchor="geometry",
        title="How the texts lie",
        text=tuple(_text(material, rows)),
        charts=() if found is None else (_chart(material, found),),
        tables=(_table(rows),),
    )


def geometry_rows(material: Material) -> tuple[Row, ...]:
    """What is known of the embeddings of the test rows: of the frozen encoder, and of every arm after its training."""
    labels_T = material.data.test.labels_N
    before = embedding_geometry(material.unit_ND[material.tested], labels_T)
    rows = [_row(_BEFORE, name, [value]) for name, value in before.items()]
    for arm in material.comparison.arms:
        for name in _NAMES:
            values = list(_measured(arm, PREFIX + name))
            if values:
                rows.append(_row(arm.method, name, values))
    return tuple(rows)


def _measured(arm: Arm, name: str) -> Iterator[float]:
    for replicate in arm.confirmation.replicates if arm.confirmation is not None else ():
        if replicate.evaluation.initialisation == 0 and name in replicate.evaluation.metrics:
            yield replicate.evaluation.metrics[name]


def _row(method: str, name: str, values: Sequence[float]) -> Row:
    found = summarise(values)
    several = len(values) > 1
    return {
        "method": method,
        "measure": name,
        "value": found.mean,
        "low": found.low if several else None,
        "high": found.high if several else None,
        "draws": len(values) if method != _BEFORE else None,
    }


def _text(material: Material, rows: Sequence[Row]) -> Iterator[str]:
    yield (
        "Of two test rows of one class: the ratio of their mean distance to that of the centres of two classes "
        "(smaller: tighter classes), and alignment, their mean squared distance. Uniformity is lower, the more evenly "
        "all rows are spread. Proxies used is the share of a loss's proxies that are the nearest of all to any test "
        "row; a cosine of 1 between the proxies of a class says that they have become one. Intervals are over draws."
    )
    if not any(row["draws"] for row in rows):
        yield (
            "What training changed is not on record: nothing was trained but classifiers on frozen embeddings, or by "
            "an earlier version."
        )
    yield (
        f"The figure shows test rows in embeddings of {material.encoder} before any training. Principal components "
        "keep distances as far as two numbers can; t-SNE keeps neighbours, and neither distances nor sizes of groups."
    )


def _table(rows: Sequence[Row]) -> Table:
    methods = dict.fromkeys(text(row, "method") for row in rows)
    known = {(text(row, "method"), text(row, "measure")): row for row in rows}
    measures = [name for name in _NAMES if any((method, name) in known for method in methods)]
    lines = tuple((method, *(_shown(known.get((method, name))) for name in measures)) for method in methods)
    return Table(title="Embeddings of the test rows", columns=("", *(_NAMES[name] for name in measures)), rows=lines)


def _shown(row: Row | None) -> str:
    if row is None:
        return "–"
    value = f"{number(row, 'value'):.2f}"
    return value if row["low"] is None else f"{value} ({number(row, 'low'):.2f} to {number(row, 'high'):.2f})"


def _chart(material: Material, found: Maps) -> Chart:
    labels_N = material.data.test.labels_N[found.rows]
    labels = named(material.data.class_names, "class", 1.3)
    rows = tuple(
        {
            "row": int(material.tested[row]),
            "class": material.data.class_names[label],
            "component_1": float(first),
            "component_2": float(second),
            "tsne_1": float(third),
            "tsne_2": float(fourth),
        }
        for row, label, (first, second), (third, fourth) in zip(
            found.rows, labels_N, found.components_N2, found.neighbours_N2, strict=True
        )
    )
    shown = "" if len(found.rows) == len(material.tested) else f" Shown: {len(found.rows)} rows, evenly chosen."
    return Chart(
        name="map",
        title="Test rows before any training",
        caption=f"Left: principal components, {100 * found.share:.0f} % of the variance. Right: t-SNE with a fixed "
        f"seed.{shown}",
        rows=rows,
        draw=lambda drawn: _draw(drawn, labels),
        names=changed(labels),
    )


def _draw(rows: tuple[Row, ...], labels: Mapping[str, str]) -> Figure:
    classes = [text(row, "class") for row in rows]
    counts = {name: classes.count(name) for name in labels}
    coloured = sorted(labels, key=lambda name: -counts[name])[:_CLASSES]
    known = marks([name for name in labels if name in coloured])
    panels = facets(2, height=2.9, titles=0.3, top=legend_height(len(known)))
    for axes, (columns, title) in zip(
        panels,
        {("component_1", "component_2"): "principal components", ("tsne_1", "tsne_2"): "t-SNE"}.items(),
        strict=True,
    ):
        for name in labels:
            at = np.array([[number(row, column) for column in columns] for row in rows if row["class"] == name])
            if len(at):
                color, marker = (known[name].color, known[name].marker) if name in known else (MUTED, ".")
                axes.scatter(at[:, 0], at[:, 1], s=9, color=color, marker=marker, linewidths=0, alpha=0.8)
        axes.set_title(title)
        axes.set_xticks([])
        axes.set_yticks([])
    figure = panels[0].get_figure(root=True)
    assert figure is not None, "a panel of a figure"
    legend(figure, {labels[name]: mark for name, mark in known.items()})
    return figure
