"""The page of a report: what its first screen says, above the sections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from math import ceil
from typing import Literal

from sweep.records.results import SweepResults
from sweep.report.chart import Images
from sweep.report.layout import render_layout
from sweep.report.section import Section
from sweep.report.tables import Column, Entry, ResultTable
from sweep.verdict import Comparison, Verdict, overall

__all__ = ["Finding", "render_page"]

_SIDE_BY_SIDE = 6  # columns of the table of results

LISTED = 6
"""Number of comparisons on the first screen; further ones are folded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of a comparison, as the first screen shows it.

    title: of the comparison.
    sentence: which method won.
    certainty: `holds`, `open` or `none`; the CSS class, for its colour.
    label: the certainty in words.
    """

    title: str
    sentence: str
    certainty: Literal["holds", "open", "none"]
    label: str


def render_page(
    results: SweepResults,
    verdict: Verdict,
    table: ResultTable,
    sections: tuple[Section, ...],
    images: Mapping[str, Images],
    kept: Mapping[str, str],
) -> str:
    """The HTML of the page.

    results, verdict: of the sweep.
    table: the table of results.
    sections: in their order; those without content are left out.
    images: the drawn figure of every chart in the sections, by name.
    kept: by name, the way from the page to the card of each winner that is kept as a classifier.
    """
    return render_layout(
        "page",
        sections,
        images,
        sweep=results.sweep,
        trials=len(results.trials),
        findings=[_finding(comparison) for comparison in verdict.comparisons],
        listed=LISTED,
        verdict=verdict,
        overall=overall(verdict),
        table=table,
        parts=list(_parts(table)),
        kept=kept,
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """As many columns of the table of results as stand side by side in the page, with the entries of each method."""

    columns: tuple[Column, ...]
    rows: Mapping[str, tuple[Entry | None, ...]]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """The datasets, each with its number of columns."""
        return [
            (dataset, len(list(columns))) for dataset, columns in groupby(self.columns, lambda column: column.dataset)
        ]


def _parts(table: ResultTable) -> Iterator[_Part]:
    """The table, or where it has more columns than the page has room for, equal parts of it one below the other."""
    count = ceil(len(table.columns) / _SIDE_BY_SIDE)
    for number in range(count if table.rows else 0):
        here = slice(len(table.columns) * number // count, len(table.columns) * (number + 1) // count)
        yield _Part(table.columns[here], {method: entries[here] for method, entries in table.rows.items()})


def _finding(comparison: Comparison) -> Finding:
    certainty, label = _certainty(comparison)
    return Finding(title=comparison.title, sentence=comparison.sentence, certainty=certainty, label=label)


def _certainty(comparison: Comparison) -> tuple[Literal["holds", "open", "none"], str]:
    best = comparison.best
    if best is None or best.summary is None:
        return "none", "not confirmed"
    if comparison.baseline is None or len(comparison.arms) == 1:
        return "none", "no comparison"
    tested = [(arm, arm.difference.mean) for arm in comparison.arms if arm.difference is not None]
    if not tested:
        return "none", "not compared yet"
    if any(arm.significant and lead > 0 for arm, lead in tested):
        return "holds", "difference holds"
    all_worse = all(arm.significant for arm, _ in tested)
    return ("none", "the baseline leads") if all_worse else ("open", "not told apart")
