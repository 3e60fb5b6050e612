"""The table of named datasets, and how a name, path or hub id becomes a configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from trainable.dataset_config import DatasetConfig
from trainable.datasets.files import SUFFIXES, located, split_suffix
from trainable.datasets.senteval import task_of
from trainable.datasets.table import did_you_mean
from trainable.errors import DataError

__all__ = ["DATASETS", "find"]

# Columns with the names of classes are preferred to columns of ids, so that copies of a task agree on its classes.
_ENTRIES = (
    DatasetConfig(name="support"),
    DatasetConfig(name="mr", hub="cornell-movie-review-data/rotten_tomatoes"),
    DatasetConfig(name="cr", hub="SetFit/SentEval-CR", label="label_text"),
    DatasetConfig(name="subj", hub="SetFit/subj", label="label_text"),
    DatasetConfig(name="mpqa", hub="jxm/mpqa", text="sentence"),
    DatasetConfig(name="sst2", hub="SetFit/sst2", label="label_text"),
    DatasetConfig(name="sst5", hub="SetFit/sst5", label="label_text"),
    DatasetConfig(name="trec", hub="SetFit/TREC-QC", label="label_coarse_original"),
    DatasetConfig(name="mrpc", hub="nyu-mll/glue", hub_config="mrpc", text="sentence1", text_pair="sentence2"),
)

DATASETS: Mapping[str, DatasetConfig] = MappingProxyType({entry.name: entry for entry in _ENTRIES})

_HUB_ID = re.compile(r"(?P<hub>[\w\-][\w.\-]*/[\w.\-]+)(:(?P<config>[\w.\-]+))?(@(?P<revision>[\w.\-/]+))?", re.ASCII)


def find(name_or_location: str) -> DatasetConfig:
    """Return the dataset of a name in the table, of a file or folder, or of a hub id `org/name[:config][@revision]`.

    Paths become absolute, and the folder of a SentEval task is recognised.

    Raises DataError, listing the names of the table, for anything else.
    """
    if name_or_location in DATASETS:
        return DATASETS[name_or_location]
    path = located(name_or_location)
    if path is not None:
        return _at(path.resolve())
    hub_id = _HUB_ID.fullmatch(name_or_location)
    if hub_id is None or name_or_location.lower().endswith(SUFFIXES):
        raise _unknown(name_or_location)
    return _on_hub(hub_id["hub"], hub_id["config"], hub_id["revision"])


def _at(path: Path) -> DatasetConfig:
    stem = split_suffix(path)[0] if path.is_file() else path.name
    if stem in ("train", "data") and path.parent.name:
        stem = path.parent.name
    name = re.sub(r"[^\w.\-]+", "-", _letters(stem)) or "data"
    return DatasetConfig(name=name, path=str(path), senteval=task_of(path) if path.is_dir() else None)


def _letters(stem: str) -> str:
    """Replace what Python takes for part of a word but a dataset's name may not contain, such as a superscript two."""
    return "".join("-" if char.isalnum() and not (char.isalpha() or char.isdecimal()) else char for char in stem)


def _on_hub(hub: str, hub_config: str | None, revision: str | None) -> DatasetConfig:
    for entry in DATASETS.values():
        if (entry.hub, entry.hub_config) == (hub, hub_config):
            return entry.model_copy(update={"revision": revision})
    name = hub.rpartition("/")[2] if hub_config is None else f"{hub.rpartition('/')[2]}-{hub_config}"
    return DatasetConfig(name=name, hub=hub, hub_config=hub_config, revision=revision)


def _unknown(asked: str) -> DataError:
    return DataError(
        f"dataset {asked!r}: neither a known name, nor an existing file or folder (looked up from {Path.cwd()}), nor a "
        f"hub id org/name[:config][@revision]{did_you_mean(asked, DATASETS)}; known names: {', '.join(DATASETS)}"
    )
