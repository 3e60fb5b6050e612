"""Places on disk that a spec names: relative to where they were written, absolute ever after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any

from sweep.spec.mistakes import Mistake, Place
from sweep.spec.wording import shown
from trainable.datasets import DATASETS
from trainable.datasets.files import SUFFIXES
from trainable.encoder import PACKAGED

__all__ = ["missing_encoders", "with_absolute_paths"]

_BLOCKS = ("compare", "search", "trial")  # those that may name datasets and encoders
_FILES = ("path", "test_path")  # fields of a dataset that are always paths


def with_absolute_paths(data: Mapping[str, Any], base: Path, names: Set[str]) -> dict[str, Any]:
    """The data of a spec with paths relative to `base` made absolute. names: what its datasets are called."""
    known = {"dataset": {*names, *DATASETS}, "encoder": set(PACKAGED)}
    absolute = dict(data)
    if isinstance(entries := data.get("datasets"), Mapping):
        absolute["datasets"] = {name: _with_absolute_files(entry, base) for name, entry in entries.items()}
    for block in _BLOCKS:
        if isinstance(fields := data.get(block), Mapping):
            found = {name: _located(fields[name], base, names) for name, names in known.items() if name in fields}
            absolute[block] = {**fields, **found}
    return absolute


def missing_encoders(data: Mapping[str, Any]) -> Iterator[Mistake]:
    """A mistake for each encoder that is written as a path and is no folder. Hub ids are left to the hub."""
    for block in _BLOCKS:
        fields = data.get(block)
        given = fields.get("encoder") if isinstance(fields, Mapping) else None
        place: Place = (block, "encoder")
        places = [(*place, number) for number in range(len(given))] if isinstance(given, list) else [place]
        for at, value in zip(places, given if isinstance(given, list) else [given], strict=True):
            if isinstance(value, str) and _is_path(value) and not Path(value).is_dir():
                remedy = f"correct the path, or give a hub id or a packaged encoder ({', '.join(PACKAGED)})"
                yield Mistake(
                    place=at, rule="an encoder given as a path must be a folder", received=shown(value), remedy=remedy
                )


def _with_absolute_files(entry: Any, base: Path) -> Any:
    if not isinstance(entry, Mapping):
        return entry
    files = {name: _absolute(entry[name], base) for name in _FILES if isinstance(entry.get(name), str)}
    return {**entry, **files}


def _located(value: Any, base: Path, names: Set[str]) -> Any:
    """The value, or each item of a list, as an absolute path if it is one: by its form, or because it exists."""
    if isinstance(value, list):
        return [_located(each, base, names) for each in value]
    if not isinstance(value, str) or value in names:
        return value
    path = _absolute(value, base)
    return path if _is_path(value) or _exists(path) else value


def _is_path(value: str) -> bool:
    return value.startswith(("/", ".", "~")) or value.count("/") > 1 or value.lower().endswith(SUFFIXES)


def _absolute(value: str, base: Path) -> str:
    try:
        return str((base / Path(value).expanduser()).resolve()) if value.strip() else value
    except (OSError, RuntimeError):  # an unknown user's home, a loop of links: whoever opens it will say so
        return value


def _exists(path: str) -> bool:
    try:
        return bool(path) and Path(path).exists()
    except OSError:  # a name that is too long for a file
        return False
