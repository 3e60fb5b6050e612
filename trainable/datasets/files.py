"""Files of labelled sentences: csv, tsv, jsonl and parquet.

The formats are read by the standard library and pyarrow, not by pandas: pandas turns texts such as "NA" and "null" into
missing values, fills up short lines without a word, and has no strict mode for quotes.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from trainable.config import DatasetConfig
from trainable.datasets.table import Table, listing, said, wanted_columns
from trainable.errors import DataError

__all__ = ["SUFFIXES", "decoded", "located", "read_table"]

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")

_SHOWN = 5  # malformed lines named in one message
_QUOTED_CELL = re.compile(r'"(?:[^"]|"")*"')

_Row = tuple[int, list[str]]  # line number in the file, cells


def read_table(path: Path, config: DatasetConfig) -> Table:
    """Return the columns of one file that `config` names.

    Raises DataError for an unknown format, an unreadable, empty or binary file, and malformed lines, by number.
    """
    if not path.is_file() and not path.is_dir():
        raise DataError(f"{path}: must be a file; received a pipe, a socket or a device; write its rows to a file")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(
            f"{path}: the ending of a file names its format and must be one of {', '.join(SUFFIXES)}; received "
            f"{path.suffix or 'no ending'!r}; convert or rename the file"
        )
    if suffix == ".parquet":
        return _parquet(path, config)
    text, notes = decoded(path)
    if suffix in (".csv", ".tsv"):
        return _delimited(path, text, notes, config)
    return _json_lines(path, text, notes, config)


def located(place: str) -> Path | None:
    """Return the file or folder of that name, `~` being the home folder, or None if it does not exist."""
    try:
        path = Path(place).expanduser()
        return path if place.strip() and path.exists() else None
    except (OSError, RuntimeError):  # a name that is too long, an unreadable folder, an unknown user's home
        return None


def decoded(path: Path) -> tuple[str, tuple[str, ...]]:
    """Return the text of a file without its byte order mark, and a note if it had to be read as latin-1, not UTF-8.

    Raises DataError if the file cannot be read, is empty, or is not text.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from error
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path}: text must be UTF-8 or latin-1; received UTF-16; save the file as UTF-8")
    if b"\x00" in content:
        raise DataError(f"{path}: must be a text file; received binary data (NUL bytes); export it as csv or jsonl")
    notes: tuple[str, ...] = ()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = content.decode("latin-1")
        notes = (f"{path.name} is not UTF-8 (byte {error.start}): read as latin-1",)
    if not text.strip():
        raise _empty(path)
    return text, notes


def _empty(path: Path) -> DataError:
    return DataError(f"{path}: the file is empty; it needs a row for each labelled sentence")


def _delimited(path: Path, text: str, notes: tuple[str, ...], config: DatasetConfig) -> Table:
    if path.suffix.lower() == ".tsv":
        rows, quote_notes = _tsv_rows(path, text)
    else:
        rows, quote_notes = _checked(path, _rows(path, text, ",", quoted=True)), ()
    header, rows, header_notes = _header(path, rows, config)
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


def _tsv_rows(path: Path, text: str) -> tuple[list[_Row], tuple[str, ...]]:
    """Return the rows of a tsv file, whose quotes are plain characters in some files (MRPC) and csv's in others.

    They are read as csv's quotes if every cell that begins with one is a well-formed quoted cell, or if all lines have
    the same number of cells only when they are read so.
    """
    plain = _rows(path, text, "\t", quoted=False)
    if _ragged(plain):
        try:
            return _checked(path, _rows(path, text, "\t", quoted=True)), ()
        except DataError:
            return _checked(path, plain), ()
    opening = [cell for _, cells in plain for cell in cells if cell.startswith('"')]
    if opening and all(_QUOTED_CELL.fullmatch(cell) for cell in opening):
        return _rows(path, text, "\t", quoted=True), ()
    return plain, (f"{path.name}: quotes are read as plain characters",) if opening else ()


def _rows(path: Path, text: str, delimiter: str, *, quoted: bool) -> list[_Row]:
    """Return the rows that are not blank, each with the number of its last line."""
    lines = io.StringIO(text, newline="")
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    reader = csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=True)
    try:
        rows = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise DataError(
            f"{path}, line {reader.line_num}: malformed line ({error}); a text with commas, tabs or line breaks stands "
            'in quotes, and a quote inside it is written ""'
        ) from error
    if not rows:
        raise _empty(path)
    return rows


def _ragged(rows: Sequence[_Row]) -> list[_Row]:
    width = len(rows[0][1])
    return [row for row in rows if len(row[1]) != width]


def _checked(path: Path, rows: list[_Row]) -> list[_Row]:
    ragged = _ragged(rows)
    if ragged:
        where = (f"line {number} has {len(cells)}" for number, cells in ragged)
        raise _malformed(path, f"each line must have {len(rows[0][1])} cells, as the first", where, len(ragged))
    return rows


def _header(path: Path, rows: list[_Row], config: DatasetConfig) -> tuple[list[str], list[_Row], tuple[str, ...]]:
    header = [cell.strip() for cell in rows[0][1]]
    if _is_headerless(path, rows, config):
        return [config.text, config.label], rows, (f"{path.name}: no header; read as text and label",)
    _check_names(path, header)
    if len(rows) == 1:
        raise DataError(f"{path}: the file has a header and no row; it needs a row for each labelled sentence")
    return header, rows[1:], ()


def _check_names(path: Path, names: Sequence[str]) -> None:
    twice = sorted(name for name, count in Counter(names).items() if name and count > 1)
    if twice:
        raise DataError(f"{path}: columns must have different names; {listing(twice)} stands twice; rename one")


def _is_headerless(path: Path, rows: list[_Row], config: DatasetConfig) -> bool:
    """Return whether a tsv file is `text<TAB>label` without a header: the first line's label occurs again below it."""
    first = rows[0][1]
    if path.suffix.lower() != ".tsv" or len(first) != 2 or config.text_pair is not None:
        return False
    return not {config.text, config.label} & set(first) and first[1] in {cells[1] for _, cells in rows[1:]}


def _json_lines(path: Path, text: str, notes: tuple[str, ...], config: DatasetConfig) -> Table:
    rows: list[dict[str, Any]] = []
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
        raise _malformed(path, "each line must be one JSON object", mistakes, len(mistakes))
    columns = wanted_columns(config).values()
    return Table(
        place=str(path),
        names=tuple(dict.fromkeys(name for row in rows for name in row)),
        columns={column: [row.get(column) for row in rows] for column in columns},
        notes=notes,
    )


def _malformed(path: Path, rule: str, where: Iterable[str], count: int) -> DataError:
    shown = "; ".join(islice(where, _SHOWN))
    more = f"; and {count - _SHOWN} more" if count > _SHOWN else ""
    return DataError(f"{path}: {rule}; {shown}{more}; correct or remove them")


def _parquet(path: Path, config: DatasetConfig) -> Table:
    from pyarrow import parquet  # type: ignore[import-untyped]

    try:
        with parquet.ParquetFile(path) as file:
            names, metadata = tuple(file.schema_arrow.names), file.schema_arrow.metadata
            _check_names(path, names)
            wanted = [column for column in wanted_columns(config).values() if column in names]
            columns = file.read(columns=wanted).to_pydict()
    except DataError:
        raise
    except Exception as error:  # a damaged file makes pyarrow raise almost anything, want of memory included
        raise DataError(f"{path}: no readable parquet file ({said(error)}); write it again") from error
    return Table(place=str(path), names=names, columns=columns, label_names=_declared_names(metadata))


def _declared_names(metadata: dict[bytes, bytes] | None) -> dict[str, list[str]]:
    """Return the class names by column that the `datasets` library stores in the parquet files it writes."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        declared = {
            column: feature["names"] for column, feature in features.items() if feature.get("_type") == "ClassLabel"
        }
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return {}
    return {column: names for column, names in declared.items() if _are_texts(names)}


def _are_texts(names: object) -> bool:
    return isinstance(names, list) and all(isinstance(name, str) for name in names)
