"""The choice of the pool to draw from and of the test part."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from trainable.dataset_config import DatasetConfig
from trainable.datasets.cleaning import row_key
from trainable.datasets.table import Part, did_you_mean, listing
from trainable.errors import DataError

__all__ = ["choose_splits", "held_out"]

_HIDDEN = {None, "-1", "-1.0", "-100"}  # GLUE publishes its test rows with label -1


def choose_splits(parts: Mapping[str, Part], config: DatasetConfig) -> tuple[Part, Part | None, tuple[str, ...]]:
    """Return the training part, the official test part or None, and notes for the user on the choice.

    Without `config.test_split` the test part is the split `test`, or the split `validation` if the labels of `test` are
    hidden or there is no such split.

    Raises DataError if a split that `config` names does not exist or has no labels.
    """
    _check_names(parts, config)
    train = parts[config.train_split]
    test_split, notes = _test_split(parts, config)
    unused = [name for name in parts if name not in (config.train_split, test_split)]
    if unused:
        notes += (f"not used: split {listing(unused)}",)
    test = None if test_split is None else parts[test_split]
    return train, test, notes + train.notes + (() if test is None else test.notes)


def held_out(part: Part, share: float) -> tuple[list[int], list[int]]:
    """Return the rows of the pool and of the test part, which gets about `share` of each class, in the order of `part`.

    The choice is a pure function of the texts and labels, whatever their order: the test part takes the rows of each
    class with the smallest SHA-256 of their text, so that rows added later move few of the others. A class of two rows
    or more has at least one on either side.
    """
    by_class: dict[str | None, list[int]] = {}
    for row, label in enumerate(part.labels):
        by_class.setdefault(label, []).append(row)
    test: set[int] = set()
    for rows in by_class.values():
        count = min(max(round(share * len(rows)), 1), len(rows) - 1)
        test.update(sorted(rows, key=lambda row: _digest(part, row))[:count])
    return [row for row in range(len(part)) if row not in test], sorted(test)


def _digest(part: Part, row: int) -> bytes:
    return hashlib.sha256(b"held out\0" + "\0".join(row_key(part, row)).encode()).digest()


def _check_names(parts: Mapping[str, Part], config: DatasetConfig) -> None:
    mistakes = [
        f"dataset `{config.name}`: no split `{split}` for `{field}`{did_you_mean(split, parts)}; the splits there are "
        f"{listing(parts)}; name one of them"
        for field, split in (("train_split", config.train_split), ("test_split", config.test_split))
        if split is not None and split not in parts
    ]
    if config.test_split == config.train_split:
        mistakes.append(
            f"dataset `{config.name}`: `train_split` and `test_split` must differ; both are `{config.test_split}`; "
            "leave `test_split` out to hold out a share of the rows"
        )
    if config.test_path is not None and "test" in parts and _is_hidden(parts["test"]):
        mistakes.append(
            f"dataset `{config.name}`: a test file needs labels; every row of {config.test_path} has -1 or none, as "
            "hidden labels are written; give another `test_path`, or leave it out"
        )
    if config.test_split in parts and _is_hidden(parts[str(config.test_split)]):
        mistakes.append(
            f"dataset `{config.name}`: the test part needs labels; those of `{config.test_split}` are hidden (-1 or "
            "missing); name another `test_split`, or leave it out"
        )
    if mistakes:
        raise DataError("\n".join(mistakes))


def _test_split(parts: Mapping[str, Part], config: DatasetConfig) -> tuple[str | None, tuple[str, ...]]:
    if config.test_split is not None:
        return config.test_split, ()
    notes: tuple[str, ...] = ()
    if "test" in parts and config.train_split != "test":
        if not _is_hidden(parts["test"]):
            return "test", ()
        notes = ("the labels of split `test` are hidden",)
    if "validation" in parts and config.train_split != "validation" and not _is_hidden(parts["validation"]):
        return "validation", (*notes, "split `validation` is the test part")
    return None, notes


def _is_hidden(part: Part) -> bool:
    return set(part.labels) <= _HIDDEN
