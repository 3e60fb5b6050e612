"""A figure of a report together with the data that it shows, and its three forms: PNG, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sweep.report.style import styled, to_png, to_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Chart", "Images", "Row", "Value", "csv_text", "grouped", "number", "text"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # with which a spreadsheet lets one begin

Value = str | int | float | None
Row = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Images:
    """A drawn figure: the bytes of a PNG file, and an SVG element to stand in a page."""

    png: bytes
    svg: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A figure. name: of its files. caption: how to read it. rows: all that it shows. draw: makes the figure of
    them."""

    name: str
    title: str
    caption: str
    rows: tuple[Row, ...]
    draw: Callable[[tuple[Row, ...]], Figure]

    def images(self) -> Images:
        """The figure, drawn. The same rows give the same bytes."""
        with styled(), warnings.catch_warnings():
            # A class may be named in letters that the font lacks; the page's tables and the data have them all.
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            figure = self.draw(self.rows)
            return Images(png=to_png(figure), svg=to_svg(figure, self.name))

    def csv(self) -> str:
        """The rows as CSV with a header."""
        return csv_text(self.rows)

    def json(self) -> str:
        """The rows as JSON, with the title and the caption."""
        data = {"title": self.title, "caption": self.caption, "rows": [_rounded(row) for row in self.rows]}
        return json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def csv_text(rows: Iterable[Row]) -> str:
    """Rows with the same columns as CSV; what is missing is empty. A text that a spreadsheet would take for a formula
    begins with an apostrophe."""
    buffer = io.StringIO()
    known = [{name: _inert(value) for name, value in _rounded(row).items()} for row in rows]
    writer = csv.DictWriter(buffer, fieldnames=list(known[0]) if known else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(known)
    return buffer.getvalue()


def grouped(rows: Iterable[Row], column: str) -> dict[str, list[Row]]:
    """The rows by the text in a column, in the order of their first appearance."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(text(row, column), []).append(row)
    return groups


def number(row: Row, column: str) -> float:
    """A number of a row; NaN, which is not drawn, where it is missing."""
    value = row[column]
    assert not isinstance(value, str), f"{column} holds {value!r}"
    return math.nan if value is None else float(value)


def text(row: Row, column: str) -> str:
    """A text of a row."""
    value = row[column]
    assert isinstance(value, str), f"{column} holds {value!r}"
    return value


def _rounded(row: Row) -> dict[str, Value]:
    """Six decimals are far below any noise, and equal on every machine."""
    return {name: _plain(value) for name, value in row.items()}


def _inert(value: Value) -> Value:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) and not _is_number(value) else value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _plain(value: Value) -> Value:
    if not isinstance(value, float):
        return value
    return round(value, 6) if math.isfinite(value) else None
