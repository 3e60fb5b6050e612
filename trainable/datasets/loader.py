"""From a configuration to a dataset: reads it, chooses the splits, cleans the rows and numbers the classes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from trainable.dataset_config import FEW_ROWS, DatasetConfig
from trainable.datasets.classes import (
    check_classes,
    check_descriptions,
    check_test_classes,
    equally_spelled,
    hidden_note,
    without_dropped,
    without_rare,
)
from trainable.datasets.cleaning import (
    complete_rows,
    shared_texts,
    without_contradictions,
    without_duplicates,
    without_texts_of,
)
from trainable.datasets.files import located, read_table
from trainable.datasets.folders import read_folder
from trainable.datasets.hub import pin, read_hub
from trainable.datasets.senteval import read_senteval
from trainable.datasets.splits import choose_splits, held_out
from trainable.datasets.table import Part, did_you_mean, part_of
from trainable.datasets.text_data import Rows, TextData
from trainable.errors import DataError

__all__ = ["EMBEDDED", "forget", "load", "provide"]

EMBEDDED = Path(__file__).parent.parent / "data"

_PROVIDED: dict[DatasetConfig, TextData] = {}


def provide(config: DatasetConfig, data: TextData) -> None:
    """Use `data` for `config` in this process.

    A worker of a cluster gets what the sweep's driver has read, and needs neither the files nor the hub.
    """
    _PROVIDED[config] = data


@cache
def load(config: DatasetConfig) -> TextData:
    """Return the dataset that `config` describes, read once in a process.

    Classes are the sorted names of the labels. Rows without text or label are dropped; of duplicates (regardless of
    case and width of spaces) one is kept, or none if their labels disagree. Rows of an official test part are kept, and
    their texts are removed from the pool. Classes that `config.drop` names, and those with fewer than
    `config.min_rows` rows, are left out of both parts. Without an official test part, `config.test_share` of each class
    is held out: by content alone, or by each draw anew (`config.holdout`).

    Raises DataError for anything that cannot be read or used, with place, rule, value and remedy.
    """
    if config in _PROVIDED:
        return _PROVIDED[config]
    config = pin(config)
    train, test, notes, left_out = _usable_rows(*choose_splits(_read(config), config), config)
    if config.hub is not None:
        notes = (f"hub dataset {config.hub} at commit {config.revision}", *notes)
    if test is None:
        train, _, rare_notes = without_rare(train, None, config)
        check_classes(train, left_out)
        folds = _folds(train, config)
        pool, test, held_note = _repeated(train, folds) if folds else _held_out(train, config)
        notes += (*left_out, *rare_notes, held_note)
    else:
        folds = 0
        pool, test, test_notes = _beside_test_part(train, test, left_out, config)
        notes += test_notes
    if not folds:
        notes += shared_texts(pool, test)
    names = tuple(sorted({str(label) for label in pool.labels}))
    check_descriptions(names, config)
    rows = _rows(pool, names)
    return TextData(config.name, names, rows, rows if folds else _rows(test, names), notes + hidden_note(names), folds)


def _folds(train: Part, config: DatasetConfig) -> int:
    """Return into how many parts the rows are cut, of which a draw tests one; 0 for one test part for all draws. Raises
    DataError for a share that cannot be such a part."""
    if config.holdout == "fixed" or (config.holdout == "auto" and len(train) >= FEW_ROWS):
        return 0
    folds = round(1 / config.test_share)
    if not 2 <= folds <= len(train) // 2:
        raise DataError(
            f"dataset `{config.name}`: each draw holds out its own 1 of k of the {len(train)} rows to test on, with k "
            f"from 2 on and two rows or more; received `test_share: {config.test_share:g}`, which is 1 of {folds}; "
            f"choose {_shares(len(train) // 2)}, or set `holdout: fixed` for one test part of all draws"
        )
    return folds


def _shares(most: int) -> str:
    """The shares that cut rows into 2 to so many parts."""
    return f"a share from {1 / most:.2g} to 0.5" if most > 2 else "0.5"


def _repeated(train: Part, folds: int) -> tuple[Part, Part, str]:
    return train, train, f"no test part: each draw holds out its own 1 of {folds} of the {len(train)} rows to test on"


def _held_out(train: Part, config: DatasetConfig) -> tuple[Part, Part, str]:
    pool_rows, test_rows = held_out(train, config.test_share)
    note = f"no test part: {len(test_rows)} of {len(train)} rows held out, stratified by class"
    return train.take(pool_rows), train.take(test_rows), note


def forget() -> None:
    """Read every dataset anew when it is asked for next, unless it was provided."""
    load.cache_clear()


def _usable_rows(
    train: Part, test: Part | None, notes: tuple[str, ...], config: DatasetConfig
) -> tuple[Part, Part | None, tuple[str, ...], tuple[str, ...]]:
    """Return both parts, with labels spelled alike and without dropped classes, notes, and those on the rows of the
    training part that are left out: incomplete ones, and duplicates."""
    train, test, spelling_notes = equally_spelled(train, test)
    if config.drop:
        train, test, drop_notes = without_dropped(train, test, config)
        spelling_notes += drop_notes
    train, missing_notes = complete_rows(train)
    train, contradiction_notes = without_contradictions(train)
    train, duplicate_notes = without_duplicates(train)
    return train, test, notes + spelling_notes, missing_notes + duplicate_notes + contradiction_notes


def _beside_test_part(
    train: Part, test: Part, left_out: tuple[str, ...], config: DatasetConfig
) -> tuple[Part, Part, tuple[str, ...]]:
    """Return the pool without the texts of an official test part, and that part, both with the same classes. left_out:
    notes on the rows that the training part lacks already."""
    if config.holdout == "repeated":
        raise DataError(
            f"dataset `{config.name}`: `holdout: repeated` cuts test parts out of data that bring none; received a "
            f"test part of {len(test)} rows too; leave one of the two out"
        )
    test, test_notes = complete_rows(test)
    pool, overlap_notes = without_texts_of(train, test)
    pool, kept, rare_notes = without_rare(pool, test, config)
    assert kept is not None
    check_classes(pool, left_out + overlap_notes)
    return pool, kept, left_out + test_notes + overlap_notes + rare_notes + check_test_classes(pool, kept)


def _read(config: DatasetConfig) -> dict[str, Part]:
    """Return every split by name. Raises one DataError with the mistakes of the dataset's place and its test file."""
    parts: dict[str, Part] = {}
    mistakes: list[str] = []
    for read in (_place_parts, _test_file):
        try:
            parts |= read(config)
        except DataError as error:
            mistakes.append(str(error))
        except OSError as error:  # a folder on the way that may not be searched, a name that is too long
            mistakes.append(
                f"dataset `{config.name}`: {error.filename} cannot be read ({error.strerror}); check the path and its "
                "permissions"
            )
    if mistakes:
        raise DataError("\n".join(mistakes))
    return parts


def _place_parts(config: DatasetConfig) -> dict[str, Part]:
    if config.hub is not None:
        return read_hub(config)
    path = _embedded(config) if config.path is None else _existing(config.path, config)
    if config.senteval is not None:
        return read_senteval(path, config)
    if path.is_dir():
        return read_folder(path, config)
    return {config.train_split: part_of(read_table(path, config), config)}


def _test_file(config: DatasetConfig) -> dict[str, Part]:
    if config.test_path is None:
        return {}
    split = config.test_split or "test"
    if split == config.train_split:
        raise DataError(
            f"dataset `{config.name}`: the file at `test_path` is a split of its own; it is called `{split}`, as "
            "`train_split` is; rename `train_split`, or leave it out"
        )
    path = _existing(config.test_path, config)
    return {split: part_of(read_table(path, config), config)}


def _embedded(config: DatasetConfig) -> Path:
    embedded = sorted(path.name for path in EMBEDDED.iterdir() if path.is_dir())
    if config.name not in embedded:
        raise DataError(
            f"dataset `{config.name}`: without `hub` and `path` the name must be one of the embedded datasets "
            f"({', '.join(embedded)}){did_you_mean(config.name, embedded)}; give a `hub` id or a `path`"
        )
    return EMBEDDED / config.name


def _existing(place: str, config: DatasetConfig) -> Path:
    path = located(place)
    if path is None:
        wrong = Path(place)
        siblings = [sibling.name for sibling in wrong.parent.iterdir()] if wrong.parent.is_dir() else []
        raise DataError(
            f"dataset `{config.name}`: no file or folder {wrong} (looked up from {Path.cwd()})"
            f"{did_you_mean(wrong.name, siblings)}; correct the path"
        )
    return path


def _rows(part: Part, names: tuple[str, ...]) -> Rows:
    index = {name: number for number, name in enumerate(names)}
    return Rows(
        texts=tuple(str(text) for text in part.texts),
        pairs=None if part.pairs is None else tuple(str(pair) for pair in part.pairs),
        labels_N=np.array([index[str(label)] for label in part.labels], dtype=np.int64),
    )
