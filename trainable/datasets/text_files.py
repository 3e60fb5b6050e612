"""Files of texts without labels, to be classified or explained."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from trainable.config import DatasetConfig
from trainable.datasets.files import decoded, read_table, split_suffix
from trainable.datasets.table import spelled
from trainable.errors import DataError

__all__ = ["read_column", "read_texts"]

_TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")


def read_texts(file: Path, text: str, pair: str | None) -> tuple[list[str], list[str] | None]:
    """Return the texts of a file, and the second ones of pairs.

    text, pair: their columns.

    Raises DataError for a file or a column that is not there, and for cells that hold no text.
    """
    if pair == text:
        raise DataError(f"the second texts of pairs stand in a column of their own; received {pair!r} for both")
    columns = _columns(file, text, pair)
    return _cells(file, text, columns[text]), None if pair is None else _cells(file, pair, columns[pair])


def read_column(file: Path, column: str) -> list[str]:
    """Return the values of a column that is copied, such as ids or dates: empty where there is none.

    Raises DataError for a file or a column that is not there.
    """
    return [_copied(value) for value in _columns(file, column)[column]]


def _copied(value: object) -> str:
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if missing else value if isinstance(value, str) else spelled(value) or str(value)


def _columns(file: Path, column: str, second: str | None = None) -> Mapping[str, Sequence[object]]:
    """The values of one or two columns. Raises DataError for a file or a column that is not there."""
    if not file.is_file():
        raise DataError(f"a file of texts is read; there is none at {file}: correct the path")
    if split_suffix(file)[1] in _TABLES and not set((lines := decoded(file)[0]).split("\n", 1)[0]) & set(",;\t|"):
        columns: Mapping[str, Sequence[object]] = _only_column(file, lines)
        names: Sequence[str] = list(columns)
    else:
        config = DatasetConfig(name="texts", path=str(file), text=column, text_pair=second, label=column)
        table = read_table(file, config, blank=True)  # answers stand in the order of the lines
        columns, names = table.columns, table.names
    for each in (column, second):
        if each is not None and each not in columns:
            raise _lacks(file, each, names)
    return columns


def _only_column(file: Path, lines: str) -> Mapping[str, Sequence[str]]:
    """The cells under the header of a table without delimiters, which data to train on never are. An empty line is an
    empty text: answers stand in the order of the lines."""
    csv.field_size_limit(max(csv.field_size_limit(), len(lines)))  # a cell may hold a whole book
    try:
        rows = list(csv.reader(io.StringIO(lines), delimiter="\x1f", strict=True))
    except csv.Error as error:
        raise DataError(f"{file}: a quote that begins a text must end it ({error}): correct the file") from error
    header, *cells = (row[0] if row else "" for row in rows)
    return {header.strip(): cells}


def _cells(file: Path, column: str, values: Sequence[object]) -> list[str]:
    """The texts of a column. Raises DataError for values that are neither text nor number, by their rows."""
    texts = [value if isinstance(value, str) else spelled(value) for value in values]
    wrong = [place for place, text in enumerate(texts, start=1) if text is None]
    if wrong:
        rows = ", ".join(map(str, wrong[:5])) + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        shown = values[wrong[0] - 1]
        raise DataError(
            f"{file}: the column {column!r} must hold a text in every row; received {str(shown)[:80]!r} in row {rows}: "
            "correct or remove these rows"
        )
    return [text for text in texts if text is not None]


def _lacks(file: Path, column: str, names: Sequence[str]) -> DataError:
    return DataError(
        f"{file}: texts are read from the column {column!r}, which it has not; its columns are {', '.join(names)}: "
        "rename one of them, or name it by --text where the command takes that"
    )
