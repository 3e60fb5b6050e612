"""What a page is made of: sections with paragraphs, figures and tables, all of them plain text."""

from __future__ import annotations

from dataclasses import dataclass

from sweep.report.chart import Chart

__all__ = ["Section", "Table"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """columns: their heads. rows: texts, one for each column. words: how many of the first columns hold words, which
    stand on the left; numbers stand on the right. folded: whether a page shows it only when asked."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1
    folded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """anchor: its address in the page. text: paragraphs, and points: a list below them. listing: shown as it is,
    folded."""

    anchor: str
    title: str
    text: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    listing: str = ""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.text or self.charts or self.tables or self.listing)
