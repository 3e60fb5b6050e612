"""What a sweep can learn of the rows of an estimator, and how they are shared out: refused before anything is run.

Shapes: N rows.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence

from trainable.dataset_config import DatasetConfig
from trainable.datasets.cleaning import without_contradictions, without_duplicates
from trainable.datasets.table import Table, listing, part_of

__all__ = ["learnable_rows", "shots_of", "tested_share"]

_MOST_SHOTS = 16  # labels of a class on which methods are compared; the winner is trained on all
_FEWEST_ROWS = 6  # in three parts, so that a draw of two classes has two rows each to train, to validate and to test on
_FOLDS = 4


def learnable_rows(texts: Sequence[str], pairs: Sequence[str] | None, labels: Sequence[str]) -> Counter[str]:
    """Return the rows of each class that a sweep keeps of N: those that are not blank, one of each set of duplicates,
    and none where equal texts have different labels.

    Warns of blank and contradictory rows. Raises ValueError for a class with fewer than two, and for fewer than six in
    all.
    """
    columns: Mapping[str, Sequence[object]] = {
        "text": texts,
        **({} if pairs is None else {"pair": pairs}),
        "label": labels,
    }
    config = DatasetConfig(name="X", text_pair=None if pairs is None else "pair")
    part = part_of(Table("X", tuple(columns), columns), config)
    seconds = part.pairs if part.pairs is not None else part.texts
    filled = [row for row, both in enumerate(zip(part.texts, seconds, strict=True)) if None not in both]
    agreed, contradictions = without_contradictions(part.take(filled))
    kept, duplicates = without_duplicates(agreed)
    blank = len(part) - len(filled)
    blanks = (f"X: {blank} row{'s' if blank > 1 else ''} without a text",) if blank else ()
    counts = Counter({str(label): 0 for label in part.labels})
    counts.update(str(label) for label in kept.labels)
    notes = (*blanks, *duplicates, *contradictions)
    why = f" ({'; '.join(notes)})" if notes else ""
    _refuse_rare(counts, why)
    if len(kept) < _FEWEST_ROWS:
        raise ValueError(
            f"X must hold {_FEWEST_ROWS} rows or more with different texts, since methods are compared on rows that "
            f"they have not learned; received {len(kept)}{why}: label more texts"
        )
    if mistakes := (*blanks, *contradictions):
        warnings.warn(
            f"{'; '.join(mistakes)}: they are left out; correct them, or remove them from X and y", stacklevel=4
        )
    return counts


def _refuse_rare(counts: Mapping[str, int], why: str) -> None:
    """Raise ValueError for classes with fewer than two rows."""
    if rare := sorted(name for name, count in counts.items() if count < 2):
        few = [listing(sorted(name for name in rare if counts[name] == count)) for count in (0, 1)]
        received = " and ".join(
            f"{word} of {names}" for word, names in zip(("none", "one"), few, strict=True) if names != "none"
        )
        raise ValueError(
            "each class needs two texts or more that differ and that no other class has, one to learn from and one to "
            f"test on; received {received}{why}: add texts of such classes, or leave their rows out of X and y"
        )


def tested_share(rows: int) -> float:
    """The share of so many rows that a draw tests: a quarter, and a third where a quarter is less than two rows."""
    return 1 / min(_FOLDS, rows // 2)


def shots_of(counts: Mapping[str, int]) -> int | str:
    """Half of what the class of the median size has beside the test part, at most `_MOST_SHOTS`."""
    share = tested_share(sum(counts.values()))
    halves = sorted(max(1, (rows - max(1, round(rows * share))) // 2) for rows in counts.values())
    number = min(_MOST_SHOTS, halves[len(halves) // 2])
    return number if halves[0] >= number > 1 else f"at most {number}"
