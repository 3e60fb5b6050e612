"""Classes: one spelling for each in all files, those that are left out, and whether the rest can be learned."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from trainable.dataset_config import DatasetConfig
from trainable.datasets.table import Part, did_you_mean, listing
from trainable.errors import DataError

__all__ = [
    "check_classes",
    "check_descriptions",
    "check_test_classes",
    "equally_spelled",
    "hidden_note",
    "without_dropped",
    "without_rare",
]

_EMPTY = frozenset({"#N/A", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "nan", "null"})
_UNLABELLED = frozenset({"-1", "-100"})  # -100: what losses of torch leave out
_MOST_CLASSES = 1000
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?")
_WHOLE_NUMBER = re.compile(r"(-?(?:0|[1-9][0-9]*))(?:\.0+)?")
_LEADING_ZEROS = re.compile(r"^0+(?=[0-9]+$)")
_Split = tuple[Part, Part | None, tuple[str, ...]]  # the training part, the test part if there is one, notes


def equally_spelled(train: Part, test: Part | None) -> _Split:
    """Return both parts with one spelling of whole numbers (`1.0` is `1`) and of truth values (`true` is `True`).

    Labels change only if all of them, in both parts, are of that kind: a program that meets an empty cell writes the
    numbers of a column with a point.
    """
    names = {label for part in _both(train, test) for label in part.labels if label is not None}
    if all(map(_WHOLE_NUMBER.fullmatch, names)):
        spelling = {name: name.partition(".")[0] for name in names}
    elif {name.lower() for name in names} <= {"true", "false"} and len(names) > 2:
        spelling = {name: name.capitalize() for name in names}
    else:
        return train, test, _alike(names)
    changed = sorted(name for name in names if spelling[name] != name)
    if not changed:
        return train, test, ()
    notes = (
        f"labels are read alike in all files: {', '.join(f'`{name}` as `{spelling[name]}`' for name in changed[:3])}",
    )
    return _respelled(train, spelling), None if test is None else _respelled(test, spelling), notes


def without_dropped(train: Part, test: Part | None, config: DatasetConfig) -> _Split:
    """Return both parts without the classes that `config.drop` names, and a note that counts their rows.

    Raises DataError for names that are no class, and if nothing is left.
    """
    counts = Counter(label for part in _both(train, test) for label in part.labels)
    names = [_as_in_data(name, counts) for name in config.drop or ()]
    known = sorted(str(label) for label in counts if label is not None)
    unknown = [name for name in names if name not in counts]
    if unknown:
        raise _unknown(unknown, known, "drop", config)
    notes = tuple(f"class {listing([name])} left out by `drop`: {_rows(counts[name])}" for name in names)
    return _kept(train, test, config, lambda label: label not in names, notes)


def _as_in_data(name: str, labels: Mapping[str | None, int]) -> str:
    """A name as the labels have it: what YAML reads as a truth value no longer tells `true` from `True`."""
    if name in labels or name.lower() not in ("true", "false"):
        return name
    return next((each for each in labels if each is not None and each.lower() == name.lower()), name)


def without_rare(train: Part, test: Part | None, config: DatasetConfig) -> _Split:
    """Return both parts without the classes that have fewer than `config.min_rows` training rows, and a note.

    Raises DataError if nothing is left.
    """
    if config.min_rows is None:
        return train, test, ()
    least, counts = config.min_rows, Counter(train.labels)
    names = sorted({str(label) for part in _both(train, test) for label in part.labels})
    rare = [name for name in names if counts[name] < least]
    notes = tuple(
        f"class {listing([name])} left out by `min_rows: {least}`: {_rows(counts[name])}" for name in rare[:20]
    )
    if len(rare) > len(notes):
        notes += (f"{len(rare) - len(notes)} more classes left out by `min_rows: {least}`",)
    return _kept(train, test, config, lambda label: counts[label] >= least, notes)


def check_classes(part: Part, left_out: Sequence[str] = ()) -> None:
    """Raise DataError unless the rows have 2 to 1000 classes with at least two rows each.

    left_out: notes on rows that are not among them any more, which may be why.
    """
    try:
        _check_counts(part)
    except DataError as error:
        raise DataError("; ".join([str(error), *left_out])) from None


def _check_counts(part: Part) -> None:
    counts = Counter(str(label) for label in part.labels)
    if not counts:
        raise DataError(
            f"{part.place}: labelled rows are needed; none is left after dropping rows without text or label and rows "
            "that contradict each other; check the columns named as `text` and `label`, and `text_pair` for pairs"
        )
    if len(counts) < 2:
        raise DataError(
            f"{part.place}: classification needs at least two classes; every row has label {listing(counts)}; "
            "check the column named as `label`"
        )
    rare = sorted(name for name, count in counts.items() if count < 2)
    if len(counts) > _MOST_CLASSES or (len(counts) > 2 and 2 * len(rare) > len(part)):
        few = sorted(counts)[:3]
        raise DataError(
            f"{part.place}: at most {_MOST_CLASSES} classes with at least two rows each; received {len(counts)} "
            f"different labels in {len(part)} rows ({listing(few)}, ...); {_why_so_many(part)}leave rare classes "
            "out by `min_rows`"
        )
    if rare:
        has = "has one" if len(rare) == 1 else "have one each"
        slips = "".join(f"; {note}" for note in _alike(set(counts)))
        raise DataError(
            f"{part.place}: each class needs at least two different rows; {listing(rare)} {has}; add rows, or leave "
            f"such classes out: set `min_rows: 2`, or name them in `drop`{slips}"
        )


def _why_so_many(part: Part) -> str:
    """What labels look like of which many are different: measured values, texts, or nothing else."""
    labels = [str(label) for label in part.labels]
    if all(map(_NUMBER.fullmatch, labels)) and not all(map(_WHOLE_NUMBER.fullmatch, labels)):
        return "they are numbers, as scores are, and no classes: make few classes of them, as low and high; or "
    if sum(map(len, labels)) > sum(len(str(text)) for text in part.texts):
        return "the columns of text and label look swapped; else "
    return ""


def hidden_note(class_names: Sequence[str]) -> tuple[str, ...]:
    """Return a note if what stands for "no label" was read as a class: -1 or -100 in data sets of numbers, and what R,
    pandas and spreadsheets write into an empty cell."""
    numbers = all(name.lstrip("-").isdigit() for name in class_names)
    hidden = [name for name in class_names if name in _EMPTY or (numbers and name in _UNLABELLED)]
    if not hidden:
        return ()
    if len(hidden) == 1:
        return (f"label {hidden[0]} is read as a class: where it means that a row has no label, set `drop: {hidden}`",)
    named = " and ".join(hidden)
    return (f"labels {named} are read as classes: where they mean that a row has no label, set `drop: {hidden}`",)


def check_test_classes(part: Part, test: Part) -> tuple[str, ...]:
    """Return a note on classes that the test part lacks. Raises DataError for classes that only the test part has."""
    known, tested = {str(label) for label in part.labels}, {str(label) for label in test.labels}
    new = sorted(tested - known)
    if new:
        raise DataError(
            f"{test.place}: the classes of the test part must be those of {part.place}: {listing(sorted(known))}; "
            f"received also {listing(new)}{did_you_mean(new[0], sorted(known))}; correct the labels, or name them in "
            "`drop`"
        )
    lacking = sorted(known - tested)
    return (f"the test part has no row of {listing(lacking)}",) if lacking else ()


def check_descriptions(class_names: Sequence[str], config: DatasetConfig) -> None:
    """Raise DataError if `config.descriptions` names what is no class."""
    unknown = [name for name, _ in config.descriptions or () if name not in class_names]
    if unknown:
        raise _unknown(unknown, class_names, "descriptions", config)


def _unknown(names: Sequence[str], known: Sequence[str], field: str, config: DatasetConfig) -> DataError:
    return DataError(
        "\n".join(
            f"dataset `{config.name}`: `{field}` must name classes; received {listing([name])}"
            f"{did_you_mean(name, known)}; the classes are {listing(known)}"
            for name in names
        )
    )


def _both(train: Part, test: Part | None) -> tuple[Part, ...]:
    return (train,) if test is None else (train, test)


def _respelled(part: Part, spelling: Mapping[str, str]) -> Part:
    return replace(part, labels=tuple(None if label is None else spelling[label] for label in part.labels))


def _alike(names: set[str]) -> tuple[str, ...]:
    """Return a note on classes that differ in case, spaces or leading zeros only, and may be meant as one.

    `datasets` reads a csv file in pieces, and drops the zeros of some: findings/datasets-csv-spells-twice.sh.
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        key = _LEADING_ZEROS.sub("", " ".join(unicodedata.normalize("NFKC", name).casefold().split()))
        groups.setdefault(key, []).append(name)
    alike = [group for group in groups.values() if len(group) > 1]
    if not alike:
        return ()
    listed = "; ".join(listing(group) for group in alike[:3])
    return (f"classes that differ in case, spaces or leading zeros only are kept apart: {listed}",)


def _kept(
    train: Part, test: Part | None, config: DatasetConfig, keep: Callable[[str | None], bool], notes: tuple[str, ...]
) -> _Split:
    parts = [part.take([row for row, label in enumerate(part.labels) if keep(label)]) for part in _both(train, test)]
    if notes and (len(set(parts[0].labels) - {None}) < 2 or not all(map(len, parts))):
        raise DataError(
            f"dataset `{config.name}`: two classes and a row of each part must remain; {'; '.join(notes)}; leave out "
            "less"
        )
    return parts[0], parts[1] if len(parts) > 1 else None, notes


def _rows(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"
