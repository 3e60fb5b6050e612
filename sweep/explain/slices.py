"""Parts of the test rows that have something in common: by class, length, negation, odd characters, duplicates.

Shapes: N draws, T test rows.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweep.verdict.crossed import crossed_summary
from trainable.datasets.text_data import Rows

__all__ = ["NEGATIONS", "Accuracy", "Slice", "accuracy", "text_slices"]

NEGATIONS = (
    "no", "not", "never", "none", "nobody", "nothing", "neither", "nor", "nowhere", "without", "cannot", "hardly",
    "barely", "scarcely",
)  # fmt: skip
"""The words that are taken for a negation, beside every word that ends in `n't`."""

_NEGATED = re.compile(rf"\b(?:{'|'.join(NEGATIONS)})\b|n ?['’]t\b", re.IGNORECASE)
_MISREAD = re.compile(r"[ÃÂâ][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]")  # UTF-8 that was read as Latin-1
_LEGITIMATE = "\t\n\r\u200c\u200d\u200e\u200f"  # joiners of scripts and emoji, marks of direction
_ODD = ("Cc", "Cf", "Co", "Cs")  # unassigned ones are emoji that this Python does not know yet
_LENGTHS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A part of the test rows.

    kind: what it is cut by.
    name: which of these parts it is.
    rows_T: which rows it has, one or more.
    """

    kind: str
    name: str
    rows_T: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """The accuracy of an arm on a slice.

    rows: number of its rows that any draw tests.
    mean: over the draws that test any of them; None where none does.
    low, high: interval at 95 % over draws and rows; None where there is one draw or one row.
    """

    rows: int
    mean: float | None
    low: float | None
    high: float | None


def text_slices(rows: Rows, class_names: Sequence[str]) -> tuple[Slice, ...]:
    """All test rows, and the parts of them that have any row; a part with all rows is left out."""
    whole = Slice(kind="all", name="all test rows", rows_T=np.ones(len(rows), dtype=np.bool_))
    parts = [*_by_class(rows, class_names), *_by_length(rows), *_by_content(rows)]
    return (whole, *(part for part in parts if part.rows_T.any() and not part.rows_T.all()))


def accuracy(right_NT: NDArray[np.float64], rows_T: NDArray[np.bool_]) -> Accuracy:
    """The accuracy on some test rows.

    right_NT: 1 where a draw gets a row right, 0 where it does not, NaN where it does not test it.
    """
    values_NS = right_NT[:, rows_T]
    known_NS = ~np.isnan(values_NS)
    values_NS = values_NS[known_NS.any(axis=1)][:, known_NS.any(axis=0)]
    if not values_NS.size:
        return Accuracy(rows=0, mean=None, low=None, high=None)
    if min(values_NS.shape) < 2:
        mean = float(np.nanmean(values_NS, axis=1).mean())
        return Accuracy(rows=values_NS.shape[1], mean=mean, low=None, high=None)
    found = crossed_summary(values_NS)
    return Accuracy(rows=values_NS.shape[1], mean=found.mean, low=found.low, high=found.high)


def _by_class(rows: Rows, class_names: Sequence[str]) -> Iterator[Slice]:
    for number, name in enumerate(class_names):
        yield Slice(kind="class", name=name, rows_T=rows.labels_N == number)


def _by_length(rows: Rows) -> Iterator[Slice]:
    """Quarters by number of characters, of both texts of a pair; rows of one length are in one of them."""
    pairs = rows.pairs if rows.pairs is not None else ("",) * len(rows)
    length_T = np.array([len(text) + len(pair) for text, pair in zip(rows.texts, pairs, strict=True)])
    limits = np.unique(np.quantile(length_T, np.arange(1, _LENGTHS) / _LENGTHS, method="lower"))
    lowest = -1
    for limit in (*map(int, limits), int(length_T.max())):
        inside_T = (length_T > lowest) & (length_T <= limit)
        if inside_T.any():
            yield Slice(kind="length", name=f"{length_T[inside_T].min()} to {limit} characters", rows_T=inside_T)
        lowest = limit


def _by_content(rows: Rows) -> Iterator[Slice]:
    both = rows.texts if rows.pairs is None else tuple(map("\n".join, zip(rows.texts, rows.pairs, strict=True)))
    negated_T = np.array([bool(_NEGATED.search(text)) for text in both])
    yield Slice(kind="negation", name="with a negation", rows_T=negated_T)
    yield Slice(kind="negation", name="without one", rows_T=~negated_T)
    odd_T = np.array([_is_odd(text) for text in both])
    yield Slice(kind="characters", name="odd characters", rows_T=odd_T)
    keys = [" ".join(text.split()).casefold() for text in both]
    counts = Counter(keys)
    yield Slice(kind="duplicates", name="texts that stand twice", rows_T=np.array([counts[key] > 1 for key in keys]))


def _is_odd(text: str) -> bool:
    """Whether a text has what a wrong decoding or a copied page leaves: replacement, control or private characters,
    invisible formatting, or UTF-8 that was read as Latin-1."""
    odd = (each for each in text if each not in _LEGITIMATE and unicodedata.category(each) in _ODD)
    return "\N{REPLACEMENT CHARACTER}" in text or _MISREAD.search(text) is not None or any(odd)
