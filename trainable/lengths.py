"""Texts that are longer than what a trial keeps of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainable.config import TrialConfig
    from trainable.datasets.text_data import Rows, TextData

__all__ = ["length_notes"]

_WORTH_A_WORD = 0.01  # share of the rows
_USUAL = (64, 128, 256, 512)  # lengths that encoders are trained with


def length_notes(config: TrialConfig, data: TextData) -> tuple[str, ...]:
    """Return a note on the rows that are certainly cut, where they are one in a hundred: a word between spaces is at
    least one token. No tokenizer is loaded for it, so that there may be more of them."""
    parts = (data.pool,) if data.folds else (data.pool, data.test)
    words = [count for part in parts for count in _words(part)]
    if (cut := _cut(words, config.max_length)) < _WORTH_A_WORD * len(words):
        return ()
    read = f"reads their first {config.max_length} tokens"
    if data.pool.pairs is not None:
        read = f"reads {config.max_length} tokens of both texts together, less of the longer one"
    return (
        f"{cut:,} of {len(words):,} rows have more than {config.max_length} words, and at least these are cut: a trial "
        f"{read} (`max_length`)" + _remedy(words, config.max_length),
    )


def _cut(words: Sequence[int], most: int) -> int:
    return sum(count > most for count in words)


def _remedy(words: Sequence[int], read: int) -> str:
    """The least of the usual lengths that cuts fewer than one row in a hundred for certain, or else the largest."""
    longer = [each for each in _USUAL if each > read]
    enough = [each for each in longer if _cut(words, each) < _WORTH_A_WORD * len(words)] or longer[-1:]
    return f"; `max_length: {enough[0]}` reads more, and takes longer" if enough else ""


def _words(rows: Rows) -> Iterator[int]:
    for text, pair in zip(rows.texts, rows.pairs or repeat(""), strict=False):
        yield len(text.split()) + len(pair.split())
