"""The section on how the texts lie, before any training and after; and its data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sweep.explain.map_chart import map_chart
from sweep.explain.material import Material
from sweep.report.chart import Row, number, text
from sweep.report.section import Section, Table
from sweep.verdict import Arm
from sweep.verdict.statistics import summarise
from trainable.evaluation.geometry import PREFIX, embedding_geometry

if TYPE_CHECKING:
    from sweep.explain.predictions import TrainedEmbeddings

__all__ = ["geometry_rows", "geometry_section"]

_BEFORE = "before training"
_NAMES = {
    "class_ratio": "within / between classes",
    "alignment": "alignment",
    "uniformity": "uniformity",
    "proxies_used": "proxies used",
    "proxy_cosine": "proxies of a class, cosine",
}


def geometry_section(material: Material, rows: Sequence[Row], trained: TrainedEmbeddings | None = None) -> Section:
    """Numbers of every arm beside those of the frozen encoder, and the test rows in two planes."""
    chart = map_chart(material, trained)
    return Section(
        anchor="geometry",
        title="How the texts lie",
        text=tuple(_text(material, rows, trained)),
        charts=() if chart is None else (chart,),
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


def _text(material: Material, rows: Sequence[Row], trained: TrainedEmbeddings | None) -> Iterator[str]:
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
        f"The figure shows test rows in embeddings of {material.encoder} before any training"
        + (f", and after {material.arm.method} has trained it on one draw" if trained is not None else "")
        + ". Principal components keep distances as far as two numbers can; t-SNE keeps neighbours, and neither "
        "distances nor sizes of groups."
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
