"""Tables in terminals that are narrower than they are."""

from __future__ import annotations

from rich.cells import cell_len
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

__all__ = ["fitted"]


def fitted(table: Table, console: Console) -> Table | Group:
    """The table where the console has room for it, else its rows one below the other: the first column as a line, and
    below it `name value` of the others. Cut cells would make rows look alike, and columns without room would vanish."""
    if sum(_needed(column) for column in table.columns) + 2 * (len(table.columns) - 1) <= console.width:
        return table
    names, *others = ([str(cell) for cell in column.cells] for column in table.columns)
    headers = [str(column.header) for column in table.columns[1:]]
    lines: list[Text | Padding] = [Text(str(table.title), style="italic")] if table.title else []
    for name, *values in zip(names, *others, strict=True):
        told = ", ".join(f"{header} {value}" for header, value in zip(headers, values, strict=True))
        lines += [Text(name, overflow="fold"), Padding(Text(told, overflow="fold"), (0, 0, 0, 2))]
    return Group(*lines)


def _needed(column: Column) -> int:
    """The width below which something of the column is cut, or a word of it is parted."""
    texts = [str(column.header), *(str(cell) for cell in column.cells)]
    parts = texts if column.no_wrap else [word for text in texts for word in text.split()]
    return max(map(cell_len, parts), default=0)
