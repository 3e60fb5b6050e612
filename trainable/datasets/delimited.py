"""Files with a row a line and cells between delimiters: csv and tsv, as programs and people write them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from trainable.dataset_config import DatasetConfig
from trainable.datasets.table import Table, check_names, listing, malformed, no_rows, shortened, wanted_columns
from trainable.errors import DataError

__all__ = ["read_delimited"]

_DELIMITERS = (",", ";", "\t", "|")
_QUOTED_CELL = re.compile(r'"(?:[^"]|"")*"')
_SEP_LINE = re.compile(r"sep=(.)\r?\n")  # Excel's way to name the delimiter

_Row = tuple[int, list[str]]  # line number in the file, cells


def read_delimited(
    path: Path, text: str, notes: tuple[str, ...], config: DatasetConfig, usual: str, *, blank: bool = False
) -> Table:
    """Return the columns of a csv or tsv file that `config` names.

    The delimiter is `config.delimiter`, or what a line `sep=;` names; without one, or where only another one does, it
    is the one that makes the columns that `config` names of the header, else `usual`, which the file's ending says.
    blank: whether lines of nothing but delimiters are rows too, and a header alone is a table without rows.

    Raises DataError if several delimiters do, and for malformed lines, by number.
    """
    delimiter, text = _delimiter(path, text, config, usual)
    if delimiter != usual:
        notes += (f"{path.name}: cells are separated by {_shown(delimiter)}",)
    if delimiter == "\t":
        rows, quote_notes = _tab_rows(path, text, blank=blank)
    else:
        rows, quote_notes = _checked(path, _rows(path, text, delimiter, quoted=True, blank=blank), delimiter), ()
    header, rows, header_notes = _header(path, rows, config, blank=blank)
    return Table(
        place=str(path),
        names=tuple(header),
        columns={
            column: [cells[header.index(column)] for _, cells in rows]
            for column in wanted_columns(config).values()
            if column in header
        },
        notes=notes + quote_notes + header_notes,
    )


def _delimiter(path: Path, text: str, config: DatasetConfig, usual: str) -> tuple[str, str]:
    """Return the delimiter, and the text without a line that names it."""
    named = _SEP_LINE.match(text)
    if named:
        text = "\n" + text[named.end() :]  # lines keep their numbers
    asked = named[1] if named else {"tab": "\t"}.get(str(config.delimiter), config.delimiter)
    first = {delimiter: _first_cells(text, delimiter) for delimiter in (asked, *_DELIMITERS) if delimiter is not None}
    wanted = set(wanted_columns(config).values())
    fitting = [delimiter for delimiter, cells in first.items() if wanted <= set(cells)]
    if asked is not None and (asked in fitting or len(fitting) != 1):
        return asked, text
    if len(fitting) > 1:
        raise DataError(
            f"{path}: one delimiter must make columns of the header; {' and '.join(map(_shown, fitting))} both make "
            f"{listing(sorted(wanted))}; set `delimiter` of the dataset"
        )
    if fitting:
        return fitting[0], text
    split = [delimiter for delimiter, cells in first.items() if len(cells) > 1]
    return (usual if usual in split or len(split) != 1 else split[0]), text


def _first_cells(text: str, delimiter: str) -> list[str]:
    """Return the cells of the first line that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return next(([cell.strip() for cell in cells] for cells in reader if any(map(str.strip, cells))), [])
    except csv.Error:
        return []


def _shown(delimiter: str) -> str:
    return "tabs" if delimiter == "\t" else f"`{shortened(delimiter)}`"


def _tab_rows(path: Path, text: str, *, blank: bool) -> tuple[list[_Row], tuple[str, ...]]:
    """Return the rows of a file with tabs, whose quotes are plain characters in some files (MRPC) and csv's in others.

    They are read as csv's quotes if every cell that begins with one is a well-formed quoted cell, or if all lines have
    the same number of cells only when they are read so.
    """
    plain = _rows(path, text, "\t", quoted=False, blank=blank)
    if _ragged(plain):
        try:
            return _checked(path, _rows(path, text, "\t", quoted=True, blank=blank), "\t"), ()
        except DataError:
            return _checked(path, plain, "\t"), ()
    opening = [cell for _, cells in plain for cell in cells if cell.startswith('"')]
    if opening and all(_QUOTED_CELL.fullmatch(cell) for cell in opening):
        return _rows(path, text, "\t", quoted=True, blank=blank), ()
    return plain, (f"{path.name}: quotes are read as plain characters",) if opening else ()


def _rows(path: Path, text: str, delimiter: str, *, quoted: bool, blank: bool) -> list[_Row]:
    """Return the rows, each with the number of its last line. blank: also those of delimiters alone."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # a cell may hold a whole book
    lines = io.StringIO(text, newline="")
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    reader = csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=True)
    try:
        rows = [
            (reader.line_num, cells)
            for cells in reader
            if any(cell.strip() for cell in cells) or (blank and len(cells) > 1)
        ]
    except csv.Error as error:
        raise DataError(
            f"{path}, line {reader.line_num}: malformed line ({error}); a text with commas, tabs or line breaks stands "
            'in quotes, and a quote inside it is written ""'
        ) from error
    if not rows:
        raise no_rows(path)
    if len(rows[0][1]) == 1:
        raise DataError(
            f"{path}: the first line must name the columns; received the single cell `{shortened(rows[0][1][0])}`, "
            f"divided at {_shown(delimiter)}; write a header such as `text,label`, or set `delimiter` of the dataset"
        )
    return rows


def _ragged(rows: Sequence[_Row]) -> list[_Row]:
    width = len(rows[0][1])
    return [row for row in rows if len(row[1]) != width]


def _checked(path: Path, rows: list[_Row], delimiter: str) -> list[_Row]:
    """Return the rows. Raises DataError if they have different numbers of cells."""
    ragged = _ragged(rows)
    if ragged:
        where = (f"line {number} has {len(cells)}" for number, cells in ragged)
        rule = f"each line must have {len(rows[0][1])} cells, as the first"
        remedy = f"correct or remove them; a text that contains {_shown(delimiter)} stands in quotes"
        raise malformed(path, rule, where, len(ragged), remedy)
    return rows


def _header(
    path: Path, rows: list[_Row], config: DatasetConfig, *, blank: bool
) -> tuple[list[str], list[_Row], tuple[str, ...]]:
    header = [cell.strip() for cell in rows[0][1]]
    if _is_headerless(path, rows, config):
        return [config.text, config.label], rows, (f"{path.name}: no header; read as text and label",)
    check_names(path, header, config)
    if not set(wanted_columns(config).values()) & set(header) and _recurs(rows):
        raise DataError(
            f"{path}: the first line must name the columns; received {listing(header)}, which looks like a row, since "
            "some of it stands below again; write a header such as `text,label` above it"
        )
    if len(rows) == 1 and not blank:
        raise DataError(f"{path}: the file has a header and no row; it needs a row for each sentence")
    return header, rows[1:], ()


def _recurs(rows: list[_Row]) -> bool:
    """Return whether a cell of the first line stands in its column again."""
    (_, first), *others = rows
    return any(cell.strip() and cell == again for _, cells in others for cell, again in zip(first, cells, strict=True))


def _is_headerless(path: Path, rows: list[_Row], config: DatasetConfig) -> bool:
    """Return whether a tsv file is `text<TAB>label` without a header: the first line's label occurs again below it."""
    first = rows[0][1]
    if ".tsv" not in path.name.lower() or len(first) != 2 or config.text_pair is not None:
        return False
    return not {config.text, config.label} & set(first) and first[1] in {cells[1] for _, cells in rows[1:]}
