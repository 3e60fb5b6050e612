"""Charts: a figure of a report together with the data that it shows, as PNG, SVG, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sweep.report.style import styled, to_png, to_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "Chart",
    "Images",
    "Row",
    "Value",
    "beginning",
    "changed",
    "csv_text",
    "grouped",
    "json_text",
    "number",
    "text",
]

_SMALL = 1e-3  # below it, six decimals would leave too few digits
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # the characters with which a spreadsheet's formula may begin

Value = str | int | float | None
Row = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Images:
    """A drawn figure.

    png: contents of a PNG file.
    svg: an SVG element to be embedded in a page.
    """

    png: bytes
    svg: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A figure and its data.

    name: of its files.
    title: in the page.
    caption: how to read it.
    rows: the data, all with the same columns.
    draw: makes the figure from the rows.
    names: the full name of each label in the figure that stands for a longer name.
    shown: the rows that the figure has room for; None for all of them.
    """

    name: str
    title: str
    caption: str
    rows: tuple[Row, ...]
    draw: Callable[[tuple[Row, ...]], Figure]
    names: tuple[tuple[str, str], ...] = ()
    shown: tuple[Row, ...] | None = None

    def images(self) -> Images:
        """Draw the figure. The same rows give the same bytes."""
        with styled(), warnings.catch_warnings():
            # A number stands for a name whose letters no font has, but one may stand in a label of a user's own.
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            figure = self.draw(self.rows if self.shown is None else self.shown)
            return Images(png=to_png(figure), svg=to_svg(figure, self.name))

    def csv(self) -> str:
        """The rows as CSV with a header."""
        return csv_text(self.rows)

    def json(self) -> str:
        """The rows as JSON, with the title and the caption."""
        data = {"title": self.title, "caption": self.caption, "rows": [_rounded(row) for row in self.rows]}
        return json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def csv_text(rows: Iterable[Row]) -> str:
    """Rows with the same columns as CSV; missing values are empty.

    A text that a spreadsheet would take for a formula gets a leading apostrophe.
    """
    buffer = io.StringIO()
    records = [{name: _inert(value) for name, value in _rounded(row).items()} for row in rows]
    writer = csv.DictWriter(buffer, fieldnames=list(records[0]) if records else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return buffer.getvalue()


def json_text(rows: Iterable[Row]) -> str:
    """Rows as JSON: a list of mappings."""
    return json.dumps([_rounded(row) for row in rows], ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def beginning(rows: Sequence[Row], column: str, most: int, line: Sequence[str]) -> tuple[tuple[Row, ...], str]:
    """The rows of the first groups that a figure has room for, and a sentence where it has not for all.

    column: whose text groups the rows; at least one group is shown.
    most: the number of lines that there is room for.
    line: the columns whose values tell the lines of a group apart.
    """
    lines, chosen = 0, 0
    groups = list(grouped(rows, column).values())
    for own in groups:
        lines += 1 + len({tuple(row[name] for name in line) for row in own})
        if chosen and lines > most:
            break
        chosen += 1
    shown = tuple(row for own in groups[:chosen] for row in own)
    if chosen == len(groups):
        return shown, ""
    return shown, f" Shown: the first {chosen} of {len(groups)} {column}s; the data beside the page have all."


def changed(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Each label that differs from its full name, which is the key, with that name."""
    return tuple((" ".join(label.split()), name) for name, label in labels.items() if label != name)


def grouped(rows: Iterable[Row], column: str) -> dict[str, list[Row]]:
    """The rows by the text in a column, in the order of their first appearance."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(text(row, column), []).append(row)
    return groups


def number(row: Row, column: str) -> float:
    """The number in a column of a row; NaN, which matplotlib does not draw, if it is missing."""
    value = row[column]
    assert not isinstance(value, str), f"{column} holds {value!r}"
    return math.nan if value is None else float(value)


def text(row: Row, column: str) -> str:
    """The text in a column of a row."""
    value = row[column]
    assert isinstance(value, str), f"{column} holds {value!r}"
    return value


def _rounded(row: Row) -> dict[str, Value]:
    """The row with numbers rounded far below any noise, to what is equal on every machine: six decimals, and of smaller
    numbers, such as p-values, six digits."""
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
    if not math.isfinite(value):
        return None
    return round(value, 6) if abs(value) >= _SMALL else float(f"{value:.6g}")
