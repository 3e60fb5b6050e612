"""What a dataset consists of, in a few lines that differ whenever its rows do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from trainable.datasets.text_data import Rows, TextData

__all__ = ["data_digest"]


def data_digest(data: TextData) -> Mapping[str, str]:
    """By name, what the data consists of: its classes, and of each part the number of rows and a hash (SHA-256) of
    their texts and labels in their order, on which all draws depend."""
    parts = {"pool": data.pool, "test part": data.test}
    sizes = {f"rows of the {name}": str(len(rows)) for name, rows in parts.items()}
    hashes = {f"texts and labels of the {name}": _hash(rows, data.class_names) for name, rows in parts.items()}
    return {"classes": ", ".join(data.class_names), **sizes, **hashes}


def _hash(rows: Rows, class_names: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    pairs = rows.pairs if rows.pairs is not None else (None,) * len(rows)
    for text, pair, label in zip(rows.texts, pairs, rows.labels_N.tolist(), strict=True):
        digest.update(json.dumps([text, pair, class_names[label]]).encode())
    return f"sha256:{digest.hexdigest()}"
