"""Writing of a report's files: the page, figures (PNG, CSV, JSON), tables, and the verdict and results as JSON."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from sweep.records.confirmation import ConfirmationRecord
from sweep.records.results import SweepResults
from sweep.records.trial import TrialRecord
from sweep.report.files import in_writable, prepare_folder, write_figure, write_file
from sweep.report.page import render_page
from sweep.report.rows import to_csv
from sweep.report.search_sections import search_sections
from sweep.report.section import Section
from sweep.report.style import marks
from sweep.report.tables import result_table, to_latex, to_markdown
from sweep.report.verdict_sections import verdict_sections
from sweep.report.wording import metric_name
from sweep.verdict import Verdict, verdict

__all__ = ["ReportFiles", "verdict_json", "write_report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFiles:
    """A written report.

    verdict: what it reports.
    folder: where its files are.
    page: the HTML page.
    figures: PNG, CSV and JSON of each figure, by name.
    tables: Markdown, LaTeX and CSV.
    data: the verdict and the results as JSON.
    """

    verdict: Verdict
    folder: Path
    page: Path
    figures: Mapping[str, tuple[Path, ...]]
    tables: tuple[Path, ...]
    data: tuple[Path, Path]


def write_report(results: SweepResults, folder: Path, *, kept: Sequence[Path] = ()) -> ReportFiles:
    """Write the report of a sweep into a folder, which is created if it is missing.

    kept: the folders of its winners that are kept as classifiers.

    Older files of the same names are replaced, each as a whole, and figures that the results no longer have are
    removed; nothing is written or removed through a link. Several may write at once, as a driver does at its end and a
    person meanwhile. The same results give the same bytes: nothing depends on the clock, the machine or the network.

    Raises FolderError for a folder that is a link or cannot be written.
    """
    # Where HOME cannot be written, it says so in two lines, and keeps its cache in a temporary folder all the same.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    found = verdict(results)
    metric = metric_name(results)
    sections = _sections(results, found, metric)
    charts = [chart for section in sections for chart in section.charts]
    images = {chart.name: chart.images() for chart in charts}
    table = result_table(found, metric)
    links = {each.name: os.path.relpath(each / "README.md", folder) for each in kept}
    page = render_page(results, found, table, sections, images, links)
    with in_writable(folder, "a report"):
        prepare_folder(folder, images)
        return ReportFiles(
            verdict=found,
            folder=folder,
            page=write_file(folder / "report.html", page),
            figures={chart.name: write_figure(folder / "figures", chart, images[chart.name]) for chart in charts},
            tables=(
                write_file(folder / "table.md", to_markdown(table)),
                write_file(folder / "table.tex", to_latex(table)),
                write_file(folder / "table.csv", to_csv(found)),
            ),
            data=(
                write_file(folder / "verdict.json", verdict_json(found)),
                write_file(folder / "results.json", results.to_json()),
            ),
        )


def verdict_json(found: Verdict) -> str:
    """The verdict as JSON; trials and confirmations are given by their keys, since `results.json` has all of them."""
    return json.dumps(_plain(found), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


_KEYS = {"discarded": "lost"}  # the keys of the document by field name, where they differ: keys never change


def _plain(value: Any) -> Any:
    match value:
        case TrialRecord():
            return {"trial": value.key, "params": dict(value.params), "score": value.score}
        case ConfirmationRecord():
            return value.key
        case Mapping():
            return {str(name): _plain(item) for name, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    if is_dataclass(value):
        return {
            _KEYS.get(field.name, field.name): _plain(getattr(value, field.name))
            for field in fields(value)
            if field.repr
        }
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _sections(results: SweepResults, found: Verdict, metric: str) -> tuple[Section, ...]:
    compared = [arm.method for comparison in found.comparisons for arm in comparison.arms]
    # If the loss is searched, the trials of a cell have several losses.
    known = marks([*compared, *(trial.config.method for trial in results.trials)])
    first, last = verdict_sections(found, known, metric), search_sections(results, found, known, metric)
    return (*first[:-1], *last[:-1], first[-1], last[-1])  # published gains come before reproduction
