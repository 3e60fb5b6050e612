"""Tokenisation of rows of text, and batches of tokens for training and evaluation.

Rows are tokenised once per process and kept as flat arrays. Shapes: N rows, L tokens of all rows together, B rows of a
batch, T tokens of its longest row, M real (not padding) tokens of the batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainable.errors import DataError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from trainable.datasets.text_data import Rows
    from trainable.encoder import Encoder

__all__ = [
    "Batch",
    "TokenisedRows",
    "balanced_rows",
    "evaluation_batches",
    "forget",
    "tokenise",
    "training_batches",
]

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Batch:
    """The tensors of one forward pass.

    inputs: the model's arguments by name (input_ids_BT, attention_mask_BT, ...).
    labels_B: class indices.
    real_M: positions of the real tokens among the B * T, special tokens included, padding excluded.
    """

    inputs: dict[str, Tensor]
    labels_B: Tensor
    real_M: Tensor


@dataclass(frozen=True, slots=True)
class TokenisedRows:
    """The token ids of N rows, concatenated: row i is `ids_L[starts[i] : starts[i + 1]]`.

    ids_L: token ids of all rows.
    types_L: segment ids, or None if the encoder has none.
    starts: N + 1 offsets into ids_L.
    labels_N: class indices.
    pad_id: the id of the padding token.
    """

    ids_L: NDArray[np.int32]
    types_L: NDArray[np.int8] | None
    starts: Indices
    labels_N: Indices
    pad_id: int

    def lengths(self, rows_B: Indices) -> Indices:
        """Return the number of tokens of each of the rows at `rows_B`."""
        return self.starts[rows_B + 1] - self.starts[rows_B]

    def ids(self, rows_B: Indices) -> NDArray[np.int32]:
        """Return the token ids of the rows at `rows_B`, one after the other."""
        return np.concatenate([self.ids_L[self.starts[row] : self.starts[row + 1]] for row in rows_B])

    def batch(self, rows_B: Indices, device: torch.device, width: int = 0) -> Batch:
        """Return the rows at `rows_B` in that order, padded on the right to the longest and at least to `width`."""
        import torch

        lengths_B = self.lengths(rows_B)
        mask_BT = np.arange(max(int(lengths_B.max()), width)) < lengths_B[:, None]
        tokens_M = np.concatenate([np.arange(self.starts[row], self.starts[row + 1]) for row in rows_B])
        arrays = {"input_ids": _padded(self.ids_L[tokens_M], mask_BT, self.pad_id), "attention_mask": mask_BT}
        if self.types_L is not None:
            arrays["token_type_ids"] = _padded(self.types_L[tokens_M], mask_BT, 0)
        inputs = {name: torch.from_numpy(array.astype(np.int64)).to(device) for name, array in arrays.items()}
        labels_B = torch.from_numpy(self.labels_N[rows_B]).to(device)
        return Batch(inputs, labels_B, torch.from_numpy(np.flatnonzero(mask_BT)).to(device))


def _padded(
    tokens_M: NDArray[np.int32] | NDArray[np.int8], mask_BT: NDArray[np.bool_], padding: int
) -> NDArray[np.int64]:
    array_BT = np.full(mask_BT.shape, padding, dtype=np.int64)
    array_BT[mask_BT] = tokens_M
    return array_BT


_TOKENISED: dict[tuple[int, str, str | None, int, str], tuple[Rows, TokenisedRows]] = {}
_KEPT = 8


def tokenise(rows: Rows, encoder: Encoder, max_length: int, prompt: str = "") -> TokenisedRows:
    """Return the tokens of every row, cut to `max_length`; of a pair, the longer sentence is cut first.

    prompt: stands before the text of every row; of a pair, before the first one.

    The result is kept in the process's memory for the same `rows` object.
    """
    key = (id(rows), encoder.name, encoder.revision, max_length, prompt)
    kept = _TOKENISED.pop(key, None)  # it references `rows`, so that no other object can have their id meanwhile
    while len(_TOKENISED) >= _KEPT:
        del _TOKENISED[next(iter(_TOKENISED))]
    _TOKENISED[key] = kept if kept is not None else (rows, _tokenise(rows, encoder, max_length, prompt))
    return _TOKENISED[key][1]


def forget() -> None:
    """Forget the tokens of all rows."""
    _TOKENISED.clear()


def _tokenise(rows: Rows, encoder: Encoder, max_length: int, prompt: str) -> TokenisedRows:
    from trainable.classifier import readable  # late: it loads tensors

    ids: list[NDArray[np.int32]] = []
    types: list[NDArray[np.int8]] = []
    chunk = 1024  # the tokenizer's own record of a row is some hundred times larger than its ids
    for first in range(0, len(rows), chunk):
        part = slice(first, first + chunk)
        prompted = [prompt + text for text in rows.texts[part]]
        pairs = None if rows.pairs is None else rows.pairs[part]
        encoded = encoder.tokenizer(
            *readable(prompted, pairs, encoder.tokenizer, max_length),
            truncation="longest_first",
            max_length=max_length,
            padding=False,
        )
        _check_read(rows, first, encoded["input_ids"])
        ids += [np.asarray(row, dtype=np.int32) for row in encoded["input_ids"]]
        types += [np.asarray(row, dtype=np.int8) for row in encoded.get("token_type_ids", ())]
    return TokenisedRows(
        ids_L=np.concatenate(ids),
        types_L=np.concatenate(types) if types else None,
        starts=np.cumsum([0, *map(len, ids)], dtype=np.int64),
        labels_N=rows.labels_N,
        pad_id=int(encoder.tokenizer.pad_token_id),
    )


def _check_read(rows: Rows, first: int, ids: Sequence[Sequence[int]]) -> None:
    """Raise DataError for a row without a token: a tokenizer that puts none of its own around a text makes none of an
    empty one."""
    unread = [first + place for place, each in enumerate(ids) if not each]
    if unread:
        text = rows.texts[unread[0]]
        raise DataError(
            f"each text needs a token; the encoder's tokenizer makes none of {text[:40]!r}: leave out "
            f"{len(unread)} row{'s' if len(unread) > 1 else ''} of this kind, or choose another encoder"
        )


def evaluation_batches(lengths_N: Indices, max_rows: int, max_tokens: int) -> Iterator[Indices]:
    """Yield positions in batches of rows of similar length, the shortest first.

    A batch has at most `max_rows` rows and, padding included, at most `max_tokens` tokens; a single row may have more.
    """
    order_N = np.argsort(lengths_N, kind="stable")
    first = 0
    for end in range(1, len(order_N) + 1):
        rows = end - first + 1
        full = end < len(order_N) and (rows > max_rows or rows * lengths_N[order_N[end]] > max_tokens)
        if full or end == len(order_N):
            yield order_N[first:end]
            first = end


def training_batches(
    labels_N: Indices, batch_size: int, *, balanced: bool, generator: np.random.Generator
) -> Iterator[Indices]:
    """Return an endless iterator of the positions of each step's rows.

    A sample that fits into a batch is used whole at every step: the same array each time. A larger sample is shuffled
    and cut into equal batches, epoch by epoch. With `balanced`, batches are balanced over the classes instead, and hold
    at least two rows of each of their classes where the class has them.
    """
    if len(labels_N) <= batch_size:
        return repeat(np.arange(len(labels_N)))
    if balanced:
        return _balanced_batches(labels_N, batch_size, generator)
    return _shuffled_epochs(len(labels_N), batch_size, generator)


def balanced_rows(labels_N: Indices, batch_size: int, num_classes: int) -> Indices:
    """Return rows_C, how many rows of each class balanced batches hold in a round in which each class has its turn.

    Where more classes take turns than a batch holds, which of them take the place of single rows depends on the turns;
    it is then the round's mean.
    """
    present = np.unique(labels_N)
    turns = min(len(present), batch_size // 2)
    rows_C = np.bincount(labels_N, minlength=num_classes)
    rows_C[present] = _quotas(rows_C[present].tolist(), batch_size * len(present) // turns)
    return rows_C


def _shuffled_epochs(num_rows: int, batch_size: int, generator: np.random.Generator) -> Iterator[Indices]:
    while True:
        yield from np.array_split(generator.permutation(num_rows), -(-num_rows // batch_size))


def _balanced_batches(labels_N: Indices, batch_size: int, generator: np.random.Generator) -> Iterator[Indices]:
    rows = [np.flatnonzero(labels_N == label) for label in np.unique(labels_N)]
    streams = [_shuffled_stream(members, generator) for members in rows]
    turns = _shuffled_stream(np.arange(len(rows)), generator)
    while True:
        classes = _take_distinct(turns, min(len(rows), batch_size // 2))
        quotas = _quotas([len(rows[position]) for position in classes], batch_size)
        batch = [_take_distinct(streams[position], quota) for position, quota in zip(classes, quotas, strict=True)]
        yield np.concatenate(batch).astype(np.int64)


def _shuffled_stream(values: Indices, generator: np.random.Generator) -> Iterator[int]:
    while True:
        yield from generator.permutation(values).tolist()


def _take_distinct(stream: Iterator[int], count: int) -> list[int]:
    """Return the next `count` values of an endless stream, without repeats where two epochs meet in a batch."""
    taken: dict[int, None] = {}
    while len(taken) < count:
        taken.setdefault(next(stream))
    return list(taken)


def _quotas(sizes: Sequence[int], batch_size: int) -> list[int]:
    """Return the rows to take of each class: equal shares, as far as small classes allow; larger ones take the rest."""
    quotas = [0] * len(sizes)
    left = batch_size
    smallest_first = sorted(range(len(sizes)), key=lambda position: sizes[position])
    for done, position in enumerate(smallest_first):
        quotas[position] = min(sizes[position], left // (len(sizes) - done))
        left -= quotas[position]
    return quotas
