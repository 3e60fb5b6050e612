"""What a dataset is once it is read: a pool to draw from, and a test part that only confirmation sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rows", "TextData"]


@dataclass(frozen=True, slots=True)
class Rows:
    """N labelled rows. pairs holds the second sentences of a task on pairs, else None. labels_N are class indices."""

    texts: tuple[str, ...]
    pairs: tuple[str, ...] | None
    labels_N: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, indices: Sequence[int] | NDArray[np.int64]) -> Rows:
        """The rows at `indices`, in that order."""
        return Rows(
            texts=tuple(self.texts[i] for i in indices),
            pairs=None if self.pairs is None else tuple(self.pairs[i] for i in indices),
            labels_N=self.labels_N[np.asarray(indices, dtype=np.int64)],
        )


@dataclass(frozen=True, slots=True)
class TextData:
    """A dataset. No text of the pool stands in the test part. notes say what was dropped or assumed, for the user."""

    name: str
    class_names: tuple[str, ...]
    pool: Rows
    test: Rows
    notes: tuple[str, ...] = ()

    @property
    def majority_share(self) -> float:
        """Share of the most frequent class in the test part: the accuracy of always guessing it."""
        counts_C = np.bincount(self.test.labels_N, minlength=len(self.class_names))
        return float(counts_C.max() / counts_C.sum())
