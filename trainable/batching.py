"""From rows of text to batches of tokens.

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

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from trainable.datasets.text_data import Rows
    from trainable.encoder import Encoder

__all__ = ["Batch", "TokenisedRows", "evaluation_batches", "tokenise", "training_batches"]

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one forward pass takes: `inputs` are the model's arguments (input_ids_BT, attention_mask_BT, ...).

    real_M: positions of the real tokens among the B * T, special tokens included, padding never.
    """

    inputs: dict[str, Tensor]
    labels_B: Tensor
    real_M: Tensor


@dataclass(frozen=True, slots=True)
class TokenisedRows:
    """N rows as token ids, one after the other: row i is `ids_L[starts[i] : starts[i + 1]]`.

    types_L: segment ids, where the encoder has them. pad_id: the id that fills up a shorter row.
    """

    ids_L: NDArray[np.int32]
    types_L: NDArray[np.int8] | None
    starts: Indices
    labels_N: Indices
    pad_id: int

    def lengths(self, rows_B: Indices) -> Indices:
        """Tokens of each of the rows at `rows_B`."""
        return self.starts[rows_B + 1] - self.starts[rows_B]

    def batch(self, rows_B: Indices, device: torch.device, width: int = 0) -> Batch:
        """The rows at `rows_B`, in that order, padded on the right to the longest of them and at least to `width`."""
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


_TOKENISED: dict[tuple[int, str, str | None, int], tuple[Rows, TokenisedRows]] = {}
_KEPT = 8


def tokenise(rows: Rows, encoder: Encoder, max_length: int) -> TokenisedRows:
    """Tokens of every row, of two sentences the longer cut first. Done once in a process for the same `rows` object."""
    key = (id(rows), encoder.name, encoder.revision, max_length)
    kept = _TOKENISED.pop(key, None)  # it holds `rows`, so that no other object can have their id meanwhile
    while len(_TOKENISED) >= _KEPT:
        del _TOKENISED[next(iter(_TOKENISED))]
    _TOKENISED[key] = kept if kept is not None else (rows, _tokenise(rows, encoder, max_length))
    return _TOKENISED[key][1]


def _tokenise(rows: Rows, encoder: Encoder, max_length: int) -> TokenisedRows:
    ids: list[NDArray[np.int32]] = []
    types: list[NDArray[np.int8]] = []
    chunk = 1024  # the tokenizer's own record of a row is some hundred times larger than its ids
    for first in range(0, len(rows), chunk):
        part = slice(first, first + chunk)
        encoded = encoder.tokenizer(
            list(rows.texts[part]),
            None if rows.pairs is None else list(rows.pairs[part]),
            truncation="longest_first",
            max_length=max_length,
            padding=False,
        )
        ids += [np.asarray(row, dtype=np.int32) for row in encoded["input_ids"]]
        types += [np.asarray(row, dtype=np.int8) for row in encoded.get("token_type_ids", ())]
    return TokenisedRows(
        ids_L=np.concatenate(ids),
        types_L=np.concatenate(types) if types else None,
        starts=np.cumsum([0, *map(len, ids)], dtype=np.int64),
        labels_N=rows.labels_N,
        pad_id=int(encoder.tokenizer.pad_token_id),
    )


def evaluation_batches(lengths_N: Indices, max_rows: int, max_tokens: int) -> Iterator[Indices]:
    """Positions of rows of like length together, shortest first; at most `max_rows` rows and, padding included,
    `max_tokens` tokens in a batch (a single row may have more)."""
    order_N = np.argsort(lengths_N, kind="stable")
    first = 0
    for end in range(1, len(order_N) + 1):
        rows = end - first + 1
        full = end < len(order_N) and (rows > max_rows or rows * lengths_N[order_N[end]] > max_tokens)
        if full or end == len(order_N):
            yield order_N[first:end]
            first = end


def training_batches(
    labels_N: Indices, batch_size: int, *, pairs: bool, generator: np.random.Generator
) -> Iterator[Indices]:
    """Positions of the rows of each step, without end.

    A sample that fits is used whole at every step: the same array each time. A larger one is shuffled and cut into
    equal parts, epoch by epoch. With `pairs`, batches are balanced over the classes instead, with at least two rows of
    each class that they hold, as far as the class has them.
    """
    if len(labels_N) <= batch_size:
        return repeat(np.arange(len(labels_N)))
    if pairs:
        return _balanced_batches(labels_N, batch_size, generator)
    return _shuffled_epochs(len(labels_N), batch_size, generator)


def _shuffled_epochs(num_rows: int, batch_size: int, generator: np.random.Generator) -> Iterator[Indices]:
    while True:
        yield from np.array_split(generator.permutation(num_rows), -(-num_rows // batch_size))


def _balanced_batches(labels_N: Indices, batch_size: int, generator: np.random.Generator) -> Iterator[Indices]:
    rows = [np.flatnonzero(labels_N == label) for label in np.unique(labels_N)]
    streams = [_shuffled_stream(members, generator) for members in rows]
    turns = _shuffled_stream(np.arange(len(rows)), generator)
    while True:
        classes = _take_distinct(turns, min(len(rows), batch_size // 2))
        quotas = _quotas([len(rows[each]) for each in classes], batch_size)
        batch = [_take_distinct(streams[each], quota) for each, quota in zip(classes, quotas, strict=True)]
        yield np.concatenate(batch).astype(np.int64)


def _shuffled_stream(values: Indices, generator: np.random.Generator) -> Iterator[int]:
    while True:
        yield from generator.permutation(values).tolist()


def _take_distinct(stream: Iterator[int], count: int) -> list[int]:
    """The next `count` values of an endless stream, skipping those taken already (two epochs may meet in a batch)."""
    taken: dict[int, None] = {}
    while len(taken) < count:
        taken.setdefault(next(stream))
    return list(taken)


def _quotas(sizes: Sequence[int], batch_size: int) -> list[int]:
    """Rows for each class: equal shares, where a class too small for its share leaves the rest to the larger ones."""
    quotas = [0] * len(sizes)
    left = batch_size
    for done, position in enumerate(sorted(range(len(sizes)), key=lambda each: sizes[each])):
        quotas[position] = min(sizes[position], left // (len(sizes) - done))
        left -= quotas[position]
    return quotas
