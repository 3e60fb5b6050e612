"""JSON files: an object a line, one array of objects, or a table of columns, as the usual libraries write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainable.dataset_config import DatasetConfig
from trainable.datasets.table import Table, listing, malformed, said, wanted_columns
from trainable.errors import DataError

__all__ = ["read_records"]

_FORMS = "an object a line, one array of objects, or one object whose values are columns"
_Rows = list[Mapping[str, Any]]


def read_records(path: Path, text: str, notes: tuple[str, ...], config: DatasetConfig) -> Table:
    """Return the columns of a JSON file that `config` names. Raises DataError for malformed lines, by number."""
    rows, own_notes = _whole(path, text, config) or (_lines(path, text), ())
    columns = wanted_columns(config).values()
    return Table(
        place=str(path),
        names=tuple(dict.fromkeys(name for row in rows for name in row)),
        columns={column: [row.get(column) for row in rows] for column in columns},
        notes=notes + own_notes,
    )


def _whole(path: Path, text: str, config: DatasetConfig) -> tuple[_Rows, tuple[str, ...]] | None:
    """Return the rows of a file that is one JSON value, and a note on where they stand; None if it is not one value."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        if text.lstrip().startswith("[") and _is_array_of_objects(text):
            raise DataError(f"{path}: no readable JSON array ({said(error)}); correct it, or write it again") from error
        return None
    if isinstance(value, list):
        return _checked(path, value), ()
    return _of_object(path, value, config) if isinstance(value, dict) else None


def _is_array_of_objects(text: str) -> bool:
    return text.lstrip()[1:].lstrip().startswith("{")


def _of_object(path: Path, value: Mapping[str, Any], config: DatasetConfig) -> tuple[_Rows, tuple[str, ...]]:
    """Return the rows of one object: the columns that it is, the list of objects in it, or itself as a row."""
    columns = [_values(column) for column in value.values()]
    if columns and all(column is not None for column in columns) and config.text in value:
        return _of_columns(path, dict(zip(value, columns, strict=True))), ()
    if config.text in value:
        return [value], ()
    lists = {name: rows for name, rows in value.items() if _are_objects(rows)}
    if len(lists) > 1:
        raise DataError(
            f"{path}: a file must hold one table; received the tables {listing(lists)}; write each to a file of its "
            "own, as train.json and test.json in one folder"
        )
    if lists:
        ((name, rows),) = lists.items()
        return _checked(path, rows), (f"{path.name}: rows are those of `{name}`",)
    return [value], ()


def _values(column: object) -> Mapping[Any, Any] | None:
    """Return the values of a column by row, where it is a list, or an object with a value for each row's index."""
    if isinstance(column, dict) and column and all(str(row).isdecimal() for row in column):
        return column
    return dict(enumerate(column)) if isinstance(column, list) else None


def _of_columns(path: Path, columns: Mapping[str, Any]) -> _Rows:
    first, *others = columns.values()
    if any(column.keys() != first.keys() for column in others):
        sizes = ", ".join(f"`{name}` {len(column)}" for name, column in columns.items())
        raise DataError(f"{path}: columns must have the same rows; received {sizes}; write the file again")
    return [{name: column[row] for name, column in columns.items()} for row in first]


def _are_objects(rows: object) -> bool:
    return isinstance(rows, list) and bool(rows) and all(isinstance(row, dict) for row in rows)


def _checked(path: Path, rows: list[Any]) -> _Rows:
    wrong = [(number, type(row).__name__) for number, row in enumerate(rows, 1) if not isinstance(row, dict)]
    if wrong:
        where = (f"element {number} is a {kind}" for number, kind in wrong)
        raise malformed(path, "each element of the array must be a JSON object", where, len(wrong))
    if not rows:
        raise DataError(f"{path}: the array is empty; it needs an object for each sentence")
    return rows


def _lines(path: Path, text: str) -> _Rows:
    rows: _Rows = []
    mistakes: list[str] = []
    # Only "\n" ends a line of JSON: str.splitlines would also cut a text at U+2028 or U+0085.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                mistakes.append(f"line {number}: {error}")
                continue
            if isinstance(row, dict):
                rows.append(row)
            else:
                mistakes.append(f"line {number} holds a {type(row).__name__}")
    if mistakes:
        raise malformed(path, f"must be {_FORMS}; each line must be one JSON object", mistakes, len(mistakes))
    return rows
