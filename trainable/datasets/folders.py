"""Datasets in folders: those that `save_to_disk` of the `datasets` library writes, and those with a file a split."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from trainable.containment import contains, is_plain_name
from trainable.dataset_config import DatasetConfig
from trainable.datasets.files import SUFFIXES, read_table, split_suffix
from trainable.datasets.table import Part, Table, listing, part_of, said, wanted_columns
from trainable.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

__all__ = ["check_own", "entries", "parts_of_dataset", "read_each", "read_folder"]

_SPLITS = {"train": "train", "test": "test"} | dict.fromkeys(("validation", "valid", "val", "dev"), "validation")
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})$")


def read_folder(folder: Path, config: DatasetConfig) -> dict[str, Part]:
    """Return the splits of a folder by name.

    Files are `train.*`, `test.*` and `validation.*` (also `valid`, `val`, `dev`, and the names that `config` gives), in
    shards as on the hub or whole, in the folder itself or below it in `data`.

    Raises DataError if no file is known, a file cannot be read, or one is a link that leads out of the folder.
    """
    if (folder / "dataset_dict.json").is_file() or (folder / "dataset_info.json").is_file():
        return _saved(folder, config)
    files = _split_files(folder, config) or _split_files(folder / "data", config)
    check_own(folder, (path for paths in files.values() for path in paths))
    if not files:
        raise DataError(
            f"{folder}: must hold files named train, test or validation, ending in {', '.join(SUFFIXES)}, or a dataset "
            f"that `save_to_disk` wrote; found {_content(folder)}; name one file as `path`, or set `senteval` "
            "for a SentEval folder"
        )
    return read_each({split: partial(_files, paths, config) for split, paths in files.items()})


def check_own(folder: Path, paths: Iterable[Path]) -> None:
    """Raise DataError for files of a folder that are links to a place outside of it."""
    straying = [path for path in paths if not contains(folder, path)]
    if straying:
        raise DataError(
            f"{folder}: the files of a data folder must lie in it; {listing(path.name for path in straying)} are links "
            "that lead out of it; copy the files there, or name what they lead to as `path`"
        )


def read_each(readers: Mapping[str, Callable[[], Part]]) -> dict[str, Part]:
    """Return every split by name. Raises one DataError with the mistakes of all of them."""
    parts: dict[str, Part] = {}
    mistakes: list[str] = []
    for split, read in readers.items():
        try:
            parts[split] = read()
        except DataError as error:
            mistakes.append(str(error))
    if mistakes:
        raise DataError("\n".join(mistakes))
    return parts


def parts_of_dataset(dataset: Dataset | DatasetDict, place: str, config: DatasetConfig) -> dict[str, Part]:
    """Return the splits of a dataset of the `datasets` library; one without splits is `config.train_split`."""
    splits = dataset if isinstance(dataset, dict) else {config.train_split: dataset}
    return read_each(
        {name: partial(_split_of, split, f"{place}, split {name}", config) for name, split in splits.items()}
    )


def _split_of(dataset: Dataset, place: str, config: DatasetConfig) -> Part:
    return part_of(_table(dataset, place, config), config)


def _table(dataset: Dataset, place: str, config: DatasetConfig) -> Table:
    from datasets import ClassLabel

    wanted = [name for name in wanted_columns(config).values() if name in dataset.features]
    _check_plain(dataset, place, wanted)
    try:
        dataset.data.table.select(wanted).validate(full=True)  # arrow trusts the offsets of a file that it maps
        plain = dataset.with_format(None)
        columns = {name: plain[name][:] for name in wanted}
    except Exception as error:  # a damaged file makes pyarrow raise almost anything
        raise DataError(f"{place}: the columns cannot be read ({said(error)}); write the dataset again") from error
    return Table(
        place=place,
        names=tuple(dataset.column_names),
        columns=columns,
        label_names={
            column: feature.names for column, feature in dataset.features.items() if isinstance(feature, ClassLabel)
        },
    )


def _check_plain(dataset: Dataset, place: str, wanted: Iterable[str]) -> None:
    """Refuse images, sounds and the like: reading them opens whatever file or address they name.

    Raises DataError for a column that holds neither text, numbers nor classes.
    """
    from datasets import ClassLabel, Value

    for name in wanted:
        kind = dataset.features[name]
        if not isinstance(kind, ClassLabel | Value):
            raise DataError(
                f"{place}: column `{name}` must hold text or numbers; received a column of type {type(kind).__name__}; "
                "name another column"
            )


def _saved(folder: Path, config: DatasetConfig) -> dict[str, Part]:
    from datasets import load_from_disk

    check_own(folder, folder.rglob("*"))
    try:
        _check_names(folder)
        dataset = load_from_disk(str(folder))
    except Exception as error:  # what the library raises for a damaged folder is not documented
        raise DataError(
            f"{folder}: no readable saved dataset ({said(error)}); write it again by `save_to_disk`"
        ) from error
    return parts_of_dataset(dataset, str(folder), config)


def _check_names(folder: Path) -> None:
    """Raise ValueError if a saved dataset names a file that is not a plain name in its own folder."""
    for path in (*folder.rglob("dataset_dict.json"), *folder.rglob("state.json")):
        if not path.is_file():
            raise ValueError(f"{path.name} is no file")
        stored = json.loads(path.read_text(encoding="utf-8"))
        is_dict = path.name == "dataset_dict.json"
        names = stored["splits"] if is_dict else [file["filename"] for file in stored["_data_files"]]
        wrong = [name for name in names if not is_plain_name(name)]
        if wrong:
            raise ValueError(f"{path.name} must name files of its own folder, and names {wrong[0]!r}")


def _split_files(folder: Path, config: DatasetConfig) -> dict[str, list[Path]]:
    """Return the files of each split. Raises DataError if several files of one split are not its shards, or not all."""
    names = _SPLITS | {split: split for split in (config.train_split, config.test_split) if split is not None}
    found: dict[str, list[Path]] = {}
    for path in entries(folder):
        stem, suffix = split_suffix(path)
        split = names.get(_SHARD.sub("", stem))
        if split is not None and suffix in SUFFIXES:
            found.setdefault(split, []).append(path)
    for split, paths in found.items():
        whole = [path for path in paths if not _SHARD.search(split_suffix(path)[0])]
        if whole and len(paths) > 1:
            raise DataError(
                f"{folder}: one file for each split; {listing(path.name for path in paths)} are all `{split}`; "
                "remove all but one, or name the files as `path` and `test_path`"
            )
        _check_shards(folder, split, paths)
    return found


def _check_shards(folder: Path, split: str, paths: Iterable[Path]) -> None:
    """Raise DataError unless the shards of a split are all there, as after a download that was cut short."""
    names = [(path.name, _SHARD.search(split_suffix(path)[0])) for path in paths]
    numbers = sorted((int(shard[2]), int(shard[1])) for _, shard in names if shard is not None)
    if numbers and numbers != [(len(numbers), number) for number in range(len(numbers))]:
        raise DataError(
            f"{folder}: the shards of a split must all be there, each once; those of `{split}` are "
            f"{listing(name for name, _ in names)}; fetch what is missing and remove what is too many, or rename a "
            f"shard that is to be the whole split to {split}{''.join(Path(names[0][0]).suffixes[-1:])}"
        )


def entries(folder: Path) -> list[Path]:
    """Return the sorted content of a folder, empty if it does not exist. Raises DataError if it cannot be read."""
    if not folder.is_dir():
        return []
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from error


def _content(folder: Path) -> str:
    return listing(path.name for path in entries(folder))


def _files(paths: list[Path], config: DatasetConfig) -> Part:
    return _joined([part_of(read_table(path, config), config) for path in paths])


def _joined(shards: Iterable[Part]) -> Part:
    first, *others = shards
    for shard in others:
        pairs = None if first.pairs is None or shard.pairs is None else first.pairs + shard.pairs
        first = replace(
            first,
            texts=first.texts + shard.texts,
            pairs=pairs,
            labels=first.labels + shard.labels,
            notes=first.notes + shard.notes,
        )
    return first
