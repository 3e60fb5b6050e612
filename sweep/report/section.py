"""The sections of a page: paragraphs, figures and tables as plain text, which the page's template renders."""

from __future__ import annotations

from dataclasses import dataclass

from sweep.report.chart import Chart

__all__ = ["Case", "Highlight", "Section", "Table"]


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
class Highlight:
    """A word of a text, marked by what it adds.

    before: what stands before it.
    text: the word.
    level: from -4, most against, to 4, most for; 0 for none.
    note: shown where a pointer rests on it.
    """

    before: str
    text: str
    level: int
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A text that a reader should look at.

    text: the text.
    facts: what is known of it, by name.
    words: the text once more, with its words marked; shown instead of it.
    warning: what a reader should know before believing the rest.
    """

    text: str
    facts: tuple[tuple[str, str], ...]
    words: tuple[Highlight, ...] = ()
    warning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section of a page.

    anchor: its id in the page.
    title: its heading.
    text: paragraphs.
    points: a bullet list below them.
    charts: figures.
    cases: a numbered list of texts, below the figures.
    tables: below them.
    listing: a preformatted text, folded.
    """

    anchor: str
    title: str
    text: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    charts: tuple[Chart, ...] = ()
    cases: tuple[Case, ...] = ()
    tables: tuple[Table, ...] = ()
    listing: str = ""

    @property
    def empty(self) -> bool:
        """True if there is nothing to show."""
        return not (self.text or self.charts or self.cases or self.tables or self.listing)
