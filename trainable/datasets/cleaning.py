"""Removal of incomplete rows, duplicates and texts of the test part."""

from __future__ import annotations

from trainable.datasets.table import Part
from trainable.errors import DataError

__all__ = [
    "complete_rows",
    "row_key",
    "shared_texts",
    "without_contradictions",
    "without_duplicates",
    "without_texts_of",
]


def row_key(part: Part, row: int) -> tuple[str, ...]:
    """Return the key by which two rows are duplicates: their texts, regardless of case and of the width of spaces."""
    texts = (part.texts[row],) if part.pairs is None else (part.texts[row], part.pairs[row])
    return tuple(" ".join((text or "").split()).casefold() for text in texts)


def complete_rows(part: Part) -> tuple[Part, tuple[str, ...]]:
    """Return the rows that have every text and a label, and a note that counts the others.

    Raises DataError if no row is complete.
    """
    kept = [
        row
        for row in range(len(part))
        if None not in (part.texts[row], part.labels[row]) and (part.pairs is None or part.pairs[row] is not None)
    ]
    if not kept:
        needed = "a text and a label" if part.pairs is None else "two texts and a label"
        raise DataError(
            f"{part.place}: rows need {needed}; none of the {len(part)} rows has them all; check that the columns "
            "named are the right ones"
        )
    lacking = "without a text or a label dropped" if part.pairs is None else "without both texts or a label dropped"
    return part.take(kept), _count(len(part) - len(kept), lacking, part)


def without_contradictions(part: Part) -> tuple[Part, tuple[str, ...]]:
    """Return the rows whose texts have one label wherever they stand, and a note that counts the others."""
    keys = [row_key(part, row) for row in range(len(part))]
    labels: dict[tuple[str, ...], set[str | None]] = {}
    for key, label in zip(keys, part.labels, strict=True):
        labels.setdefault(key, set()).add(label)
    kept = [row for row, key in enumerate(keys) if len(labels[key]) == 1]
    return part.take(kept), _count(len(part) - len(kept), "dropped: equal texts with different labels", part)


def without_duplicates(part: Part) -> tuple[Part, tuple[str, ...]]:
    """Return the first row of each set of duplicates, and a note that counts the others."""
    first: dict[tuple[str, ...], int] = {}
    for row in range(len(part)):
        first.setdefault(row_key(part, row), row)
    dropped = _count(len(part) - len(first), "dropped as duplicates of a row that is kept", part)
    return part.take(list(first.values())), dropped


def without_texts_of(part: Part, test: Part) -> tuple[Part, tuple[str, ...]]:
    """Return the rows of the pool that are not in the test part, and a note that counts the others.

    Raises DataError if no row is left.
    """
    in_test = {row_key(test, row) for row in range(len(test))}
    kept = [row for row in range(len(part)) if row_key(part, row) not in in_test]
    if not kept:
        raise DataError(
            f"{part.place}: the pool must differ from the test part; every row of it stands in {test.place} too; name "
            "another split or file as the test part"
        )
    return part.take(kept), _count(len(part) - len(kept), "dropped: they stand in the test part", part)


def shared_texts(pool: Part, test: Part) -> tuple[str, ...]:
    """Return notes on pairs of the test part of which the pool has a text too: the same two in exchanged order, or one
    of them, as where several hypotheses stand beside a premise. No pair is in both parts, but a classifier may know
    such a text already."""
    if pool.pairs is None or test.pairs is None:
        return ()
    known = {row_key(pool, row) for row in range(len(pool))}
    texts = {text for key in known for text in key}
    keys = [row_key(test, row) for row in range(len(test))]
    exchanged = sum(key[0] != key[1] and (key[1], key[0]) in known for key in keys)
    sharing = sum(not texts.isdisjoint(key) for key in keys)
    notes = _count(exchanged, "of the test part stand in the pool too with their texts exchanged", test)
    if sharing:
        return (
            *notes,
            f"{test.place}: {sharing} of {len(test)} test pairs have a text that the pool has too, beside another one: "
            "scores may be higher than on new texts; a `test_path` of other texts would tell",
        )
    return notes


def _count(rows: int, what: str, part: Part) -> tuple[str, ...]:
    return (f"{part.place}: {rows} row{'s' if rows > 1 else ''} {what}",) if rows else ()
