"""The page of a report: one HTML file that needs nothing but itself.

All text is escaped by jinja2. A Content-Security-Policy in the page forbids scripts and every request, so that
opening a report can neither run what a dataset calls its classes nor tell anybody that it was opened.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sweep.records.results import SweepResults
from sweep.report.chart import Chart, Images
from sweep.report.section import Section
from sweep.report.tables import ResultTable
from sweep.verdict import Comparison, Verdict

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["Finding", "render_page"]

LISTED = 6
"""So many sentences stand on the first screen; further ones are folded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A comparison in words. certainty: `holds`, `open` or `none`, for its colour; label: the same as a word."""

    title: str
    sentence: str
    certainty: str
    label: str


def render_page(
    results: SweepResults,
    verdict: Verdict,
    table: ResultTable,
    sections: tuple[Section, ...],
    images: Mapping[str, Images],
) -> str:
    """The page as text. images: of every chart in the sections, by its name."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("sweep.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    environment.filters["with_code"] = _with_code

    def figure(chart: Chart) -> Markup:
        # Drawn by matplotlib from escaped text, or from outlines of letters: the one thing that is not escaped here.
        return Markup(images[chart.name].svg)  # noqa: S704

    return environment.get_template("page.html.j2").render(
        sweep=results.sweep,
        trials=len(results.trials),
        findings=[_finding(comparison) for comparison in verdict.comparisons],
        listed=LISTED,
        verdict=verdict,
        table=table,
        groups=_groups(table),
        sections=[section for section in sections if not section.empty],
        figure=figure,
    )


def _with_code(text: str) -> Markup:
    """Escaped text in which what stands between backticks is code."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704


def _groups(table: ResultTable) -> list[tuple[str, int]]:
    """Each dataset with the number of its columns."""
    counts: dict[str, int] = {}
    for column in table.columns:
        counts[column.dataset] = counts.get(column.dataset, 0) + 1
    return list(counts.items())


def _finding(comparison: Comparison) -> Finding:
    best = comparison.best
    if best is None or best.summary is None:
        certainty, label = "none", "not confirmed"
    elif comparison.baseline is None or len(comparison.arms) == 1:
        certainty, label = "none", "no comparison"
    elif best.loss == comparison.baseline:
        certainty, label = "none", "the baseline leads"
    elif best.significant:
        certainty, label = "holds", "difference holds"
    else:
        certainty, label = "open", "not told apart"
    return Finding(title=comparison.title, sentence=comparison.sentence, certainty=certainty, label=label)
