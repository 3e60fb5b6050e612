"""The sections of a page: paragraphs, figures and tables as plain text, which the page's template renders."""

from __future__ import annotations

from dataclasses import dataclass

from sweep.report.chart import Chart

__all__ = ["Section", "Table"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of texts.

    title: above the table.
    columns: their headers.
    rows: a text for each column.
    words: number of leading columns that are text, aligned left; the others are numbers, aligned right.
    folded: True if a page shows it only when the reader unfolds it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1
    folded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section of a page.

    anchor: its id in the page.
    title: its heading.
    text: paragraphs.
    points: a bullet list below them.
    charts: figures.
    tables: below the figures.
    listing: a preformatted text, folded.
    """

    anchor: str
    title: str
    text: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    listing: str = ""

    @property
    def empty(self) -> bool:
        """True if there is nothing to show."""
        return not (self.text or self.charts or self.tables or self.listing)
