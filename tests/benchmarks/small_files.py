"""Large data sets of which small files are drawn, and their frozen embeddings, which are computed once.

Shapes: N rows of the large data set, T of a file, M asked for, C classes, D embedding size.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray

from trainable.classifier import Classifier, _head_scores
from trainable.config import TrialConfig
from trainable.datasets import load
from trainable.embeddings import FrozenEncoder

__all__ = ["Large", "looked_up"]

CLASSES = {"trec": ("DESC", "ENTY", "HUM", "NUM")}
"""The classes that are used, where others are too rare for small files."""

Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Large:
    """A large data set: its texts, their embeddings and their classes."""

    texts: tuple[str, ...]
    embeddings_ND: NDArray[np.float32]
    labels_N: Labels
    class_names: tuple[str, ...]

    def chosen(self, rows: int, rng: np.random.Generator) -> Labels:
        """So many rows, with classes as frequent as among all, and five of each at least."""
        shares_C = np.bincount(self.labels_N) / len(self.labels_N)
        counts_C = np.maximum(5, np.floor(shares_C * rows)).astype(np.int64)
        counts_C[int(counts_C.argmax())] += rows - counts_C.sum()
        parts = [
            rng.choice(np.flatnonzero(self.labels_N == label), count, replace=False)
            for label, count in enumerate(counts_C.tolist())
        ]
        return rng.permutation(np.concatenate(parts))

    def write(self, rows_T: Labels, path: Path) -> None:
        """Write rows as a csv file."""
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label"])
            writer.writerows([self.texts[row], self.class_names[self.labels_N[row]]] for row in rows_T.tolist())

    @classmethod
    def of_task(cls, task: str, folder: Path) -> Large:
        """A task with its embeddings: all its rows, each text once. folder: of SentEval's tasks."""
        place = {} if task == "support" else {"path": str(folder / task.upper()), "senteval": task.upper()}
        fields = {"dataset": {"name": task, **place}, "shots": 4, "encoder": "all-MiniLM-L6-v2", "embedding": "mean"}
        config = TrialConfig.model_validate({**fields, "recipe": {"name": "frozen"}})
        data = load(config.dataset)
        frozen = FrozenEncoder.of(config, len(data.class_names))
        embeddings_ND = np.concatenate([frozen.embed_all(rows) for rows in (data.pool, data.test)])
        texts = (*data.pool.texts, *data.test.texts)
        labels_N = np.concatenate([data.pool.labels_N, data.test.labels_N])
        names = CLASSES.get(task, data.class_names)
        kept = [data.class_names.index(name) for name in names]
        _, first_N = np.unique(np.array([text.casefold() for text in texts]), return_index=True)
        rows_N = np.sort(first_N[np.isin(labels_N[first_N], kept)])
        chosen = tuple(texts[row] for row in rows_N.tolist())
        return cls(chosen, embeddings_ND[rows_N], np.searchsorted(kept, labels_N[rows_N]), tuple(names))


@contextmanager
def looked_up(large: Large) -> Iterator[None]:
    """Look the embeddings of frozen encoders up instead of computing them, also where a kept classifier answers."""
    places = {text: place for place, text in enumerate(large.texts)}

    def at(texts: Sequence[str]) -> NDArray[np.float32]:
        return large.embeddings_ND[[places[text] for text in texts]]

    def embed(self: FrozenEncoder, rows: Any, wanted_W: Labels) -> NDArray[np.float32]:
        return at([rows.texts[place] for place in wanted_W.tolist()])

    def bare(trial: Any, encoder: Any) -> Classifier:
        return Classifier(labels=trial.data.class_names, model=None, tokenizer=None, head={})

    def scores(self: Classifier, texts: Sequence[str], pairs: object = None) -> torch.Tensor:
        return _head_scores(torch.from_numpy(at(texts)), self.head, self.arrays, len(self.labels))

    with ExitStack() as patches:
        patches.enter_context(patch.object(FrozenEncoder, "embed", embed))
        patches.enter_context(patch("trainable.kept.frozen.kept_encoder", bare))
        patches.enter_context(patch.object(Classifier, "scores", scores))
        yield
