"""Splits as readers return them: tables of columns, and parts with texts and class names made from them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

from trainable.dataset_config import DatasetConfig
from trainable.errors import DataError

__all__ = [
    "Part",
    "Table",
    "check_names",
    "did_you_mean",
    "listing",
    "malformed",
    "no_rows",
    "part_of",
    "said",
    "shortened",
    "spelled",
    "wanted_columns",
]

_LISTED = 20  # names in one message
_SHOWN = 5  # malformed lines named in one message
_SPLIT_COLUMNS = frozenset({"split", "fold", "partition", "subset", "set"})
_MATCHED = 100  # characters of a name that a message suggests: matching takes the square of them


@dataclass(frozen=True, slots=True)
class Table:
    """One split as it is stored.

    place: file or split, for messages.
    names: all columns.
    columns: values of the columns that were asked for.
    label_names: for columns of class ids with declared names, the names by id.
    notes: what was assumed in reading.
    """

    place: str
    names: tuple[str, ...]
    columns: Mapping[str, Sequence[object]]
    label_names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """One split as texts and class names; None is a missing value.

    place: file or split, for messages.
    texts: the sentences.
    pairs: the second sentences of a task on pairs, else None.
    labels: class names.
    notes: what was assumed in reading.
    """

    place: str
    texts: tuple[str | None, ...]
    pairs: tuple[str | None, ...] | None
    labels: tuple[str | None, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, indices: Sequence[int]) -> Part:
        """Return the rows at `indices`, in that order, without the notes."""
        pairs = None if self.pairs is None else tuple(self.pairs[i] for i in indices)
        return Part(self.place, tuple(self.texts[i] for i in indices), pairs, tuple(self.labels[i] for i in indices))


def wanted_columns(config: DatasetConfig) -> dict[str, str]:
    """Return the column of each field of the configuration: `text`, `text_pair` if it is set, and `label`."""
    fields = {"text": config.text, "text_pair": config.text_pair, "label": config.label}
    return {name: column for name, column in fields.items() if column is not None}


def part_of(table: Table, config: DatasetConfig) -> Part:
    """Return the texts and class names of a table.

    Texts are stripped. A label is its declared name, else its value as a string (1.0 is `1`, since a missing integer
    makes a column of floats). Empty strings, nulls and NaN are missing.

    Raises DataError for missing columns and for values that are neither text nor number.
    """
    _check_columns(table, config)
    values = {name: table.columns[column] for name, column in wanted_columns(config).items()}
    names = table.label_names.get(config.label)
    labels = values["label"] if names is None else _declared(values["label"], names, table.place)
    pairs = values.get("text_pair")
    return Part(
        place=table.place,
        texts=_strings(values["text"], table.place, config.text),
        pairs=None if pairs is None else _strings(pairs, table.place, str(config.text_pair)),
        labels=_strings(labels, table.place, config.label),
        notes=table.notes + _space_notes(table.place, labels) + _split_notes(table, config),
    )


def _space_notes(place: str, labels: Sequence[object]) -> tuple[str, ...]:
    """Return a note if spaces around labels are ignored where the same class stands without them too."""
    names = {label for label in labels if isinstance(label, str)}
    padded = sorted(name for name in names if name != name.strip() and name.strip() in names)
    return (f"{place}: spaces around labels are ignored, as in {listing(map(repr, padded))}",) if padded else ()


def _split_notes(table: Table, config: DatasetConfig) -> tuple[str, ...]:
    """Return a note if a column seems to say to which split a row belongs: files divide rows, columns do not."""
    unread = [name for name in table.names if name not in wanted_columns(config).values()]
    found = [name for name in unread if name.strip().lower() in _SPLIT_COLUMNS]
    return tuple(
        f"{table.place}: column {listing([name])} is not used: where it names a test part, write that into a file of "
        "its own, and give it as `test_path`"
        for name in found
    )


def check_names(place: object, names: Sequence[str], config: DatasetConfig) -> None:
    """Raise DataError if a column that `config` names stands twice in a file; others may."""
    counts = Counter(names)
    twice = sorted(name for name in set(wanted_columns(config).values()) if counts[name] > 1)
    if twice:
        raise DataError(f"{place}: columns must have different names; {listing(twice)} stands twice; rename one")


def malformed(
    path: Path, rule: str, where: Iterable[str], count: int, remedy: str = "correct or remove them"
) -> DataError:
    """Return the error of a file with lines that break a rule. where: what is wrong, line by line; count: of them."""
    shown = "; ".join(islice(where, _SHOWN))
    more = f"; and {count - _SHOWN} more" if count > _SHOWN else ""
    return DataError(f"{path}: {rule}; {shown}{more}; {remedy}")


def no_rows(path: Path) -> DataError:
    """Return the error of an empty file."""
    return DataError(f"{path}: the file is empty; it needs a row for each sentence")


def did_you_mean(value: str, names: Iterable[str]) -> str:
    """Return the end of a message that suggests the name nearest to `value`; empty if none is near."""
    by_lower = {name.lower(): name for name in islice(names, 1000) if len(name) <= _MATCHED}
    near = get_close_matches(value[:_MATCHED].lower(), by_lower, n=1)
    return f"; did you mean `{shortened(by_lower[near[0]])}`?" if near else ""


def shortened(text: str, limit: int = 60) -> str:
    """Return a foreign text for a message: its first line, without control characters and cut to `limit` characters."""
    line = text.strip().partition("\n")[0].rstrip()
    cut = line if len(line) <= limit else f"{line[: limit - 3]}..."
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in cut)


def said(error: Exception) -> str:
    """Return the text of another library's exception, for a message."""
    return shortened(str(error), 200) or type(error).__name__


def listing(names: Iterable[str]) -> str:
    """Return names for a message, at most `_LISTED` of them."""
    given = list(names)
    shown = ", ".join(f"`{shortened(name)}`" for name in given[:_LISTED])
    return f"{shown} and {len(given) - _LISTED} more" if len(given) > _LISTED else shown or "none"


def _check_columns(table: Table, config: DatasetConfig) -> None:
    mistakes = [
        f"{table.place}: no column `{column}`{did_you_mean(column, table.names)}; the columns there are "
        f"{listing(table.names)}; name the right one as `{name}` of the dataset, or rename it in the file: all files "
        "of a dataset have the same columns"
        for name, column in wanted_columns(config).items()
        if column not in table.names
    ]
    if mistakes:
        raise DataError("\n".join(mistakes))


def _declared(values: Sequence[object], names: Sequence[str], place: str) -> list[object]:
    """Return the name of each class id; None for a negative one, as -1 of rows without a label."""
    named: list[object] = []
    for row, value in enumerate(values, start=1):
        if not isinstance(value, int) or isinstance(value, bool):
            named.append(value)
        elif value < len(names):
            named.append(names[value] if value >= 0 else None)
        else:
            raise DataError(
                f"{place}, row {row}: class ids go from 0 to {len(names) - 1}, since {len(names)} classes are declared "
                f"({listing(names)}); received {value}; declare all classes, and write the dataset again"
            )
    return named


def _strings(values: Sequence[object], place: str, column: str) -> tuple[str | None, ...]:
    return tuple(_string(value, place, column, row) for row, value in enumerate(values, start=1))


def spelled(value: object) -> str | None:
    """How a value of a table is read as text: a whole number without its point, what JSON has no character for as `?`.
    None for one that is missing, and for what is neither text nor number."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, str | int | float) or (isinstance(value, float) and math.isnan(value)):
        return None  # NaN is how programs write what is missing
    # A lone surrogate, which JSON can spell, is no character: no tokenizer and no hash takes it.
    return str(value).encode("utf-8", errors="replace").decode()


def _string(value: object, place: str, column: str, row: int) -> str | None:
    if value is not None and not isinstance(value, str | int | float):
        raise DataError(
            f"{place}, row {row}: column `{column}` must hold text or numbers; received a {type(value).__name__}; "
            "name another column, or write one string in each row"
        )
    return (spelled(value) or "").strip() or None
