"""Files of labelled sentences: csv, tsv, JSON, parquet, and how a file's bytes become text.

The formats are read by the standard library and pyarrow, not by pandas: pandas turns texts such as "NA" and "null" into
missing values, fills up short lines without a word, and has no strict mode for quotes.
"""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path

from trainable.dataset_config import DatasetConfig
from trainable.datasets.delimited import read_delimited
from trainable.datasets.encodings import text_of
from trainable.datasets.records import read_records
from trainable.datasets.table import Table, check_names, no_rows, said, wanted_columns
from trainable.errors import DataError

__all__ = ["SUFFIXES", "decoded", "located", "read_table", "split_suffix"]

_PLAIN = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
SUFFIXES = (*_PLAIN, ".parquet", *(f"{suffix}.gz" for suffix in _PLAIN))

# What to do with files of other formats, by their endings and by their first bytes.
_AS_CSV = "save the sheet as `CSV UTF-8` in the program that wrote it"
_UNPACK = "unpack it, and name the file inside"
_REMEDIES = {
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".ods", ".numbers"), _AS_CSV),
    **dict.fromkeys((".zip", ".bz2", ".xz", ".zst", ".7z", ".tar", ".tgz"), _UNPACK),
    **dict.fromkeys((".arrow", ".feather", ".orc", ".avro"), "write it as parquet, or as a folder by `save_to_disk`"),
    **dict.fromkeys((".pkl", ".pickle"), "write it as csv or parquet: a pickle is a program, and is never run"),
    **dict.fromkeys((".txt", ".dat", ""), "if its cells are separated, rename it to .csv or .tsv"),
}
_CONTENTS = (
    (b"PK\x03\x04", "an Excel file or a zip archive", f"{_AS_CSV}, or {_UNPACK}"),
    (b"\xd0\xcf\x11\xe0", "an Excel file of an old version", _AS_CSV),
    (b"\x1f\x8b", "a file that gzip compressed", "unpack it, or end its name in .gz"),
    (b"PAR1", "a parquet file", "end its name in .parquet"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself", "run `git lfs pull` in its repository"),
    (b"<!doctype html", "a web page", "download the file itself"),
    (b"<html", "a web page", "download the file itself"),
)


def read_table(path: Path, config: DatasetConfig, *, blank: bool = False) -> Table:
    """Return the columns of one file that `config` names.

    blank: whether lines of nothing but delimiters, as at the end of many a spreadsheet, are rows too, and a header
        alone is a table without rows.

    Raises DataError for an unknown format, an unreadable, empty or binary file, and malformed lines, by number.
    """
    if not path.is_file() and not path.is_dir():
        raise DataError(f"{path}: must be a file; received a pipe, a socket or a device; write its rows to a file")
    suffix = split_suffix(path)[1]
    if suffix not in SUFFIXES:
        raise DataError(
            f"{path}: the ending of a file names its format and must be one of {', '.join(SUFFIXES)}; received "
            f"{path.suffix or 'no ending'!r}; {_REMEDIES.get(path.suffix.lower(), 'convert or rename the file')}"
        )
    if suffix == ".parquet":
        return _parquet(path, config)
    text, notes = decoded(path, config.encoding)
    if suffix.startswith((".csv", ".tsv")):
        usual = "\t" if suffix.startswith(".tsv") else ","
        return read_delimited(path, text, notes, config, usual, blank=blank)
    return read_records(path, text, notes, config)


def split_suffix(path: Path) -> tuple[str, str]:
    """Return the name of a file without its ending, and the ending in lower case: `.csv`, or `.csv.gz`."""
    stem, suffix = path.stem, path.suffix.lower()
    if suffix == ".gz":
        inner = Path(stem)
        stem, suffix = inner.stem, inner.suffix.lower() + suffix
    return stem, suffix


def located(place: str) -> Path | None:
    """Return the file or folder of that name, `~` being the home folder, or None if it does not exist."""
    try:
        path = Path(place).expanduser()
        return path if place.strip() and path.exists() else None
    except (OSError, RuntimeError):  # a name that is too long, an unreadable folder, an unknown user's home
        return None


def decoded(path: Path, encoding: str | None = None, otherwise: str | None = None) -> tuple[str, tuple[str, ...]]:
    """Return the text of a file without its byte order mark, and notes on how it was read.

    encoding: of the file; default: UTF-8, or what is certain.
    otherwise: the encoding that the format prescribes where the bytes are not UTF-8.

    Raises DataError if the file cannot be read, is empty, is not text, or is in no certain encoding.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from error
    if path.suffix.lower() == ".gz":
        content = _unpacked(path, content)
    for start, what, remedy in _CONTENTS:
        if content[: len(start)].lower() == start.lower():
            raise DataError(f"{path}: must be a text file; received {what}; {remedy}")
    text, notes = text_of(path, content, encoding, otherwise)
    if "\x00" in text:
        raise DataError(f"{path}: must be a text file; received binary data (NUL bytes); export it as csv or jsonl")
    if not text.strip():
        raise no_rows(path)
    return text, notes


def _unpacked(path: Path, content: bytes) -> bytes:
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: no readable gzip file ({said(error)}); compress it again, or unpack it") from error


def _parquet(path: Path, config: DatasetConfig) -> Table:
    from pyarrow import parquet  # type: ignore[import-untyped]

    try:
        with parquet.ParquetFile(path) as file:
            names, metadata = tuple(file.schema_arrow.names), file.schema_arrow.metadata
            check_names(path, names, config)
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
