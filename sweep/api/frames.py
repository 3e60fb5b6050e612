"""Data that a program holds in memory, written into the sweep's folder: the sweep can be resumed, and its winner
trained once more, by processes that do not hold them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sweep.errors import FolderError, SpecError
from sweep.spec.layers import Layers, value_layer
from sweep.spec.model import SweepSpec
from sweep.spec.reader import validated
from trainable.config import DatasetConfig
from trainable.datasets.table import Part, Table, check_names, part_of, wanted_columns

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]

__all__ = ["Frames", "spec_with"]

Frames: TypeAlias = "pd.DataFrame | Mapping[str, pd.DataFrame]"
"""A table of texts and labels, or several by the names of their datasets."""


def spec_with(layers: Layers, data: Frames | None, test: Frames | None, root: Path) -> SweepSpec:
    """The spec of these layers, with tables as its datasets.

    data: a table by the name of its dataset, or the table of the only dataset. The columns are those that the entry
        under `datasets` names, else `text` and `label`.
    test: likewise, tables that are test parts.
    root: the folder that holds the sweeps; tables are written to `data/` in the sweep's own folder, each into a file
        that is named by its content, so that no file of a sweep that has begun is changed.

    Raises SpecError for a wrong spec or names, DataError for columns that are not there, values that are neither text
    nor number, and FolderError for a folder that cannot be written.
    """
    tables = dict(_tables(layers, data, test))
    for number, (name, field) in enumerate(tables):
        layers.add(value_layer(("datasets", name, field), str(root.absolute() / "data"), 1000 + number))
    if tables and not any(_named(layers, block) for block in ("compare", "trial")):
        names = list(dict.fromkeys(name for name, _ in tables))
        layers.add(value_layer(("compare", "dataset"), names, 2000))
    spec = validated(layers)
    _check_compared({name for name, _ in tables}, spec)
    for number, ((name, field), table) in enumerate(tables.items()):
        path = _written(_part(table, spec.datasets[name], field), spec.datasets[name], root / spec.name / "data")
        layers.add(value_layer(("datasets", name, field), str(path.absolute()), 3000 + number))
    return validated(layers) if tables else spec


def _tables(layers: Layers, data: Frames | None, test: Frames | None) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """Each table by its dataset and the field that names its file."""
    for field, given in (("path", data), ("test_path", test)):
        if given is None:
            continue
        named = given if isinstance(given, Mapping) else {_only_name(layers): given}
        for name, table in named.items():
            if not isinstance(name, str) or not hasattr(table, "columns"):
                raise SpecError(
                    [
                        "data must be a DataFrame, or a mapping from names of datasets to DataFrames; received "
                        f"{name!r}: {type(table).__name__}"
                    ]
                )
            yield (name, field), table


def _check_compared(given: Set[str], spec: SweepSpec) -> None:
    """Refuse tables of which the sweep would read none. Raises SpecError."""
    compared = [str(name) for name in spec.compare.get("dataset", (spec.trial.get("dataset"),))]
    if given and not given & set(compared):
        raise SpecError(
            [
                f"data are those of a dataset that the sweep compares, {', '.join(compared)}; received data of "
                f"{', '.join(sorted(given))}: name it under compare.dataset, or rename the data"
            ]
        )


def _only_name(layers: Layers) -> str:
    """The name of the dataset whose table is given: the one under `datasets` without a place, or the compared one."""
    datasets = layers.data.get("datasets")
    own = datasets if isinstance(datasets, Mapping) else {}
    entries = {name: {} if entry is None else entry for name, entry in own.items()}
    placeless = [
        name for name, each in entries.items() if isinstance(each, Mapping) and not {"path", "hub"} & set(each)
    ]
    names = placeless or [name for block in ("compare", "trial") for name in _named(layers, block)] or ["data"]
    if len(names) > 1:
        raise SpecError(
            [f"a DataFrame is the data of one dataset; there are {', '.join(names)}: give data={{NAME: FRAME, ...}}"]
        )
    return str(names[0])


def _named(layers: Layers, block: str) -> list[Any]:
    """The datasets that a block names."""
    fields = layers.data.get(block)
    given = fields.get("dataset") if isinstance(fields, Mapping) else None
    return given if isinstance(given, list) else [] if given is None else [given]


def _part(table: pd.DataFrame, config: DatasetConfig, field: str) -> Part:
    """The texts and labels of a table, read by the rules of files."""
    place = f"the DataFrame of `{config.name}`" + (" (test part)" if field == "test_path" else "")
    names = tuple(map(str, table.columns))
    check_names(place, names, config)
    wanted = wanted_columns(config).values()
    columns = {name: _values(table.iloc[:, number]) for number, name in enumerate(names) if name in wanted}
    return part_of(Table(place, names, columns), config)


def _values(column: pd.Series[Any]) -> list[object]:
    """Plain Python values, None where one is missing."""
    present = column.notna().tolist()
    return [
        (value.item() if isinstance(value, np.generic) else value) if there else None
        for value, there in zip(column.tolist(), present, strict=True)
    ]


def _written(part: Part, config: DatasetConfig, folder: Path) -> Path:
    """The file of these rows, which is written unless it is there: an object a line."""
    pairs = part.pairs if part.pairs is not None else (None,) * len(part)
    names = (config.text, config.text_pair, config.label)
    rows = (
        {name: value for name, value in zip(names, row, strict=True) if name is not None}
        for row in zip(part.texts, pairs, part.labels, strict=True)
    )
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    path = folder / f"{config.name}-{hashlib.sha256(content).hexdigest()[:12]}.jsonl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            scratch = path.with_suffix(".new")
            scratch.write_bytes(content)
            scratch.replace(path)
    except OSError as error:
        raise FolderError(
            f"data are kept in the sweep's folder, which must be writable; {folder} is not ({error.strerror or error}):"
            " make room, or choose another root"
        ) from error
    return path
