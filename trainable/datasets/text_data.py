"""A dataset in memory: a pool to draw from, and a test part that only confirmations use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainable.dataset_config import DatasetConfig

__all__ = ["Rows", "TextData", "pair_column"]


@dataclass(frozen=True, slots=True)
class Rows:
    """N labelled rows.

    texts: the sentences.
    pairs: the second sentences of a task on pairs, else None.
    labels_N: class indices.
    """

    texts: tuple[str, ...]
    pairs: tuple[str, ...] | None
    labels_N: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.texts)

    def at(self, indices_M: NDArray[np.int64]) -> Rows:
        """Return the rows at these indices, in that order."""
        pairs = None if self.pairs is None else tuple(self.pairs[index] for index in indices_M)
        return Rows(tuple(self.texts[index] for index in indices_M), pairs, self.labels_N[indices_M])


@dataclass(frozen=True, slots=True)
class TextData:
    """A dataset. No text, or pair of texts, is in both its pool and its test part, unless each draw holds out a test
    part of its own.

    name: the dataset's name in cells, tables and MLflow.
    class_names: names of the C classes, sorted; labels are indices into them.
    pool: rows to draw training and validation rows from.
    test: rows of the test part.
    notes: what was dropped or assumed, for the user.
    folds: 0 where the test part is the same for all draws. Else pool and test part both are all labelled rows, which
        are cut into so many parts again and again, and a draw tests one of them and draws from the others.
    """

    name: str
    class_names: tuple[str, ...]
    pool: Rows
    test: Rows
    notes: tuple[str, ...] = ()
    folds: int = 0

    @property
    def majority_share(self) -> float:
        """The share of the most frequent class in the test part: the accuracy of always predicting it."""
        counts_C = np.bincount(self.test.labels_N, minlength=len(self.class_names))
        return float(counts_C.max() / counts_C.sum())


def pair_column(config: DatasetConfig, rows: Rows) -> str | None:
    """Return the column of the second texts of rows that were read by `config`, None where they are single texts. Tasks
    of SentEval have no names for their columns: the second one of theirs is called `text_pair`."""
    return None if rows.pairs is None else config.text_pair or "text_pair"
