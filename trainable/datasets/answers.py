"""The answers of another system to the rows of a dataset, read from a file and matched by their texts.

Shapes: N rows of a part of a dataset, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainable.dataset_config import DatasetConfig
from trainable.datasets.cleaning import row_key
from trainable.datasets.files import located, read_table
from trainable.datasets.loader import load
from trainable.datasets.table import Part, did_you_mean, listing, part_of, shortened
from trainable.datasets.text_data import Rows, pair_column
from trainable.errors import DataError

__all__ = ["Answers", "Predicted", "forget", "provide_answers", "read_answers"]

_PROBABILITY = "probability_"  # so begins the name of a column with the probabilities of a class, whose name follows
_SHOWN = 3
_Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Predicted:
    """The answers to N rows.

    labels_N: the class that each row was given.
    probabilities_NC: of each class; None if the file has none.
    """

    labels_N: NDArray[np.int64]
    probabilities_NC: NDArray[np.float64] | None


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of one file to a dataset.

    test: to the test part.
    pool: to all rows of the pool, which validation rows are taken from; None unless every row of it has an answer.
    unused: rows of the file that answer no row of the dataset.
    """

    test: Predicted
    pool: Predicted | None
    unused: int


_PROVIDED: dict[tuple[str, DatasetConfig], Answers] = {}


def provide_answers(path: str, config: DatasetConfig, answers: Answers) -> None:
    """Use `answers` for this file and dataset in this process: a worker of a cluster gets what the driver has read."""
    _PROVIDED[path, config] = answers


def forget() -> None:
    """Read every file of answers anew when it is asked for next, unless it was provided."""
    read_answers.cache_clear()


@cache
def read_answers(path: str, config: DatasetConfig) -> Answers:
    """Return the answers in a file, which has the columns of the dataset for texts and label, and may have one for the
    probabilities of each class. Rows are the same if their texts are, regardless of case and the width of spaces.

    Raises DataError with everything that is wrong: test rows without an answer or with several, labels that are no
    class, and probabilities that are none.
    """
    if (path, config) in _PROVIDED:
        return _PROVIDED[path, config]
    data = load(config)
    given = _Given.read(path, _columns(config, data.test), data.class_names)
    mistakes = [*given.mistakes({*_places(data.test), *_places(data.pool)}), *given.missing(data.test)]
    mistakes += [*given.doubled(data.test), *given.doubled(data.pool)]
    if mistakes:
        raise DataError("\n".join(f"{path}: {mistake}" for mistake in mistakes))
    pool = None if list(given.missing(data.pool)) else given.predicted(data.pool)
    unused = set(given.keys) - {*_places(data.test), *_places(data.pool)}
    return Answers(given.predicted(data.test), pool, sum(key in unused for key in given.keys))


def _columns(config: DatasetConfig, rows: Rows) -> DatasetConfig:
    """The columns of the file are those of the dataset; a SentEval task of pairs has no names for its own."""
    pair = pair_column(config, rows)
    return DatasetConfig(name=config.name, path=config.path, text=config.text, text_pair=pair, label=config.label)


@dataclass(frozen=True)  # without slots, for the property that is kept
class _Given:
    """The rows of a file.

    keys: by which rows are matched.
    labels: the answers; None where there is none.
    class_names: the classes.
    probabilities: of each row, in the order of the classes; None if the file has none.
    """

    keys: tuple[_Key, ...]
    labels: tuple[str | None, ...]
    class_names: tuple[str, ...]
    probabilities: tuple[tuple[str | None, ...], ...] | None

    @classmethod
    def read(cls, path: str, columns: DatasetConfig, class_names: tuple[str, ...]) -> _Given:
        file = located(path)
        if file is None or not file.is_file():
            raise DataError(f"no file {path} with predictions (looked up from {Path.cwd()}); correct the path")
        table = read_table(file, columns)
        part = part_of(table, columns)
        named = [f"{_PROBABILITY}{name}" for name in class_names]
        missing = [name for name in named if name not in table.names]
        if len(missing) not in (0, len(named)):
            raise DataError(
                f"{path}: each class has a column of probabilities, or none has; there is none named "
                f"{listing(missing)}; add it, or leave out the others"
            )
        read = (columns.model_copy(update={"label": name}) for name in named)
        columns_CN = None if missing else [part_of(read_table(file, each), each).labels for each in read]
        probabilities = None if columns_CN is None else tuple(zip(*columns_CN, strict=True))
        return cls(_keys(part), part.labels, class_names, probabilities)

    def mistakes(self, known: Set[_Key]) -> Iterator[str]:
        """What is wrong with rows by themselves, of those with a known text."""
        rows = [row for row, key in enumerate(self.keys) if key in known]
        if empty := [row for row in rows if self.labels[row] is None]:
            yield f"every row has an answer; {_rows(empty)} without one; write a class, or leave such rows out"
        labels = {label for row in rows if (label := self.labels[row]) is not None}
        if unknown := sorted(labels - set(self.class_names)):
            near = did_you_mean(unknown[0], self.class_names)
            yield f"answers are classes; received {listing(unknown)}{near}; the classes are {listing(self.class_names)}"
        given = self.probabilities
        if given is not None and (wrong := [row for row in rows if _distribution(given[row]) is None]):
            yield (
                f"the probabilities of a row are numbers from 0 to 1 that sum to 1; {_rows(wrong)} with others; "
                "correct them, or leave their columns out"
            )

    def missing(self, rows: Rows) -> Iterator[str]:
        """A mistake if rows of the dataset have no answer."""
        places = _places(rows)
        if missing := [key for key in places if key not in self._answers]:
            count = sum(len(places[key]) for key in missing)
            remedy = "name the columns of both texts the other way round" if self._exchanged(missing) else "add them"
            yield f"every test row needs an answer; {count} of {len(rows)} have none: {_texts(missing)}; {remedy}"

    def _exchanged(self, keys: Sequence[_Key]) -> bool:
        return any(len(key) == 2 and key[::-1] in self._answers for key in keys)

    def doubled(self, rows: Rows) -> Iterator[str]:
        """A mistake if rows of the dataset have several answers; equal rows may have one each."""
        allowed = ((key, {0, 1, len(places)}) for key, places in _places(rows).items())
        if doubled := [key for key, counts in allowed if len(self._answers.get(key, ())) not in counts]:
            yield f"a row has one answer; there are several for {_texts(doubled)}; keep one of each"

    def predicted(self, rows: Rows) -> Predicted:
        """The answers to rows of which each has one. Equal rows have one answer together, or each its own, in order."""
        answers = self._answers
        chosen = np.zeros(len(rows), dtype=np.int64)
        for key, places in _places(rows).items():
            chosen[places] = answers[key] if len(answers[key]) > 1 else answers[key][0]
        index = {name: number for number, name in enumerate(self.class_names)}
        labels_N = np.array([index[str(self.labels[row])] for row in chosen], dtype=np.int64)
        if self.probabilities is None:
            return Predicted(labels_N, None)
        return Predicted(labels_N, np.array([_distribution(self.probabilities[row]) for row in chosen]))

    @cached_property
    def _answers(self) -> Mapping[_Key, list[int]]:
        return _grouped(self.keys)


def _distribution(given: Sequence[str | None]) -> tuple[float, ...] | None:
    """Return the probabilities of a row; None if they are none."""
    try:
        values = tuple(float(str(value)) for value in given)
    except ValueError:
        return None
    return values if min(values) >= 0 and abs(sum(values) - 1) <= 0.01 else None


def _keys(part: Part) -> tuple[_Key, ...]:
    return tuple(row_key(part, row) for row in range(len(part)))


def _places(rows: Rows) -> Mapping[_Key, list[int]]:
    """Return the indices of the rows of each text."""
    return _grouped(_keys(Part("", rows.texts, rows.pairs, ())))


def _grouped(keys: Sequence[_Key]) -> Mapping[_Key, list[int]]:
    groups: dict[_Key, list[int]] = {}
    for number, key in enumerate(keys):
        groups.setdefault(key, []).append(number)
    return groups


def _rows(indices: Sequence[int]) -> str:
    """Rows by their numbers, from 1."""
    numbers = [index + 1 for index in indices]
    shown = ", ".join(map(str, numbers[:_SHOWN]))
    more = f" and {len(numbers) - _SHOWN} more are" if len(numbers) > _SHOWN else " are" if len(numbers) > 1 else " is"
    return f"row{'s' if len(numbers) > 1 else ''} {shown}{more}"


def _texts(keys: Sequence[_Key]) -> str:
    shown = ", ".join(repr(shortened(" | ".join(key))) for key in keys[:_SHOWN])
    return f"{shown} and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else shown
