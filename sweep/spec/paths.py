"""The paths in a spec, which are relative to where they were written and become absolute when it is read.

A spec may name any path, since its reader sees it there. A symbolic link in the folder that came with the spec is not
seen: a relative path that stays in the spec's folder as it is written must stay there when links are followed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any

from sweep.spec.mistakes import Mistake, Place
from sweep.spec.wording import shown
from trainable.datasets import DATASETS
from trainable.datasets.files import SUFFIXES, located
from trainable.encoder.places import PACKAGED
from trainable.recipes import RECIPES

__all__ = ["missing_encoders", "straying_paths", "with_absolute_paths", "with_moved_paths"]

_BLOCKS = ("compare", "search", "trial")  # those that may name datasets and encoders
_FILES = ("path", "test_path")  # fields of a dataset that are always paths


def with_absolute_paths(data: Mapping[str, Any], base: Path, names: Set[str]) -> dict[str, Any]:
    """The data of a spec with paths relative to `base` made absolute.

    names: those of the spec's own datasets, which are no paths.
    """
    known = _known(names)
    absolute = dict(data)
    if isinstance(entries := data.get("datasets"), Mapping):
        absolute["datasets"] = {name: _with_absolute_files(entry, base) for name, entry in entries.items()}
    for block in _BLOCKS:
        if isinstance(fields := data.get(block), Mapping):
            found = {name: _located(fields[name], base, names) for name, names in known.items() if name in fields}
            absolute[block] = {**fields, **found, **_recipe_files(fields, lambda value: _absolute(value, base))}
    return absolute


def with_moved_paths(data: Mapping[str, Any], moved: Callable[[str], str]) -> dict[str, Any]:
    """The data of a resolved spec, whose paths are all absolute, with each path replaced by `moved(path)`."""

    def replaced(value: Any) -> Any:
        if isinstance(value, list):
            return [replaced(item) for item in value]
        return moved(value) if isinstance(value, str) and value.startswith("/") else value

    changed = dict(data)
    changed["datasets"] = {
        name: {field: replaced(value) if field in _FILES else value for field, value in entry.items()}
        for name, entry in data.get("datasets", {}).items()
    }
    for block in _BLOCKS:
        fields = data.get(block) or {}
        found = {name: replaced(value) if name == "encoder" else value for name, value in fields.items()}
        changed[block] = {**found, **_recipe_files(fields, replaced)}
    return changed


def missing_encoders(data: Mapping[str, Any]) -> Iterator[Mistake]:
    """A mistake for each encoder that is given as a path and is no folder. Hub ids are checked when they are read."""
    for place, value in _named(data, "encoder"):
        folder = located(value) if _is_path(value) else None
        if _is_path(value) and (folder is None or not folder.is_dir()):
            remedy = f"correct the path, or give a hub id or a packaged encoder ({', '.join(PACKAGED)})"
            yield Mistake(
                place=place, rule="an encoder given as a path must be a folder", received=shown(value), remedy=remedy
            )


def straying_paths(data: Mapping[str, Any], base: Path, names: Set[str]) -> Iterator[Mistake]:
    """A mistake for each path that is below `base` as it is written, and elsewhere when links are followed.

    names: those of the spec's own datasets.
    """
    named = [
        (place, value)
        for field, known in _known(names).items()
        for place, value in _named(data, field)
        if value not in known
    ]
    for place, value in (*_files(data), *named):
        end = _beyond(value, base)
        if end is not None:
            yield Mistake(
                place=place,
                rule="a relative path must not leave the spec's folder through a link",
                received=f"{shown(value)}, which leads to {shown(str(end))}",
                remedy="write the place it leads to as an absolute path if you mean it, or copy it here",
            )


def _known(names: Set[str]) -> Mapping[str, Set[str]]:
    """For each field that may hold a path, the values that are names instead."""
    return {"dataset": {*names, *DATASETS}, "encoder": set(PACKAGED)}


def _files(data: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """The files and folders of the spec's own datasets and of its recipes, each with its place in the spec."""
    entries = data.get("datasets")
    for name, entry in entries.items() if isinstance(entries, Mapping) else ():
        for field in _FILES:
            value = entry.get(field) if isinstance(entry, Mapping) else None
            if isinstance(value, str):
                yield ("datasets", name, field), value
    search = data.get("search")
    for name, fields in _recipe_files(search if isinstance(search, Mapping) else {}, str).items():
        yield ("search", name, "path"), fields["path"]


def _recipe_files(fields: Mapping[str, Any], placed: Callable[[str], str]) -> dict[str, Any]:
    """The fields of recipes that have a file, with its path replaced by `placed(path)`."""
    own = {name: fields[name] for name in RECIPES if isinstance(fields.get(name), Mapping)}
    paths = {name: given["path"] for name, given in own.items() if isinstance(given.get("path"), str)}
    return {name: {**own[name], "path": placed(path)} for name, path in paths.items()}


def _named(data: Mapping[str, Any], field: str) -> Iterator[tuple[Place, str]]:
    """The values of one field of a trial, `dataset` or `encoder`, each with its place in the spec."""
    for block in _BLOCKS:
        fields = data.get(block)
        given = fields.get(field) if isinstance(fields, Mapping) else None
        for number, value in enumerate(given if isinstance(given, list) else [given]):
            if isinstance(value, str):
                yield (block, field, number) if isinstance(given, list) else (block, field), value


def _beyond(value: str, base: Path) -> Path | None:
    """The target of a relative path that is below `base` as written and leaves it by a link; None for other paths."""
    if Path(value).is_absolute() or value.startswith("~") or not value.strip():
        return None
    try:
        home = base.resolve()
        end = (home / value).resolve()
        below = Path(os.path.normpath(home / value)).is_relative_to(home)
        return end if below and not end.is_relative_to(home) else None
    except (OSError, RuntimeError, ValueError):  # a loop of links: opening it is refused
        return None


def _with_absolute_files(entry: Any, base: Path) -> Any:
    if not isinstance(entry, Mapping):
        return entry
    files = {name: _absolute(entry[name], base) for name in _FILES if isinstance(entry.get(name), str)}
    return {**entry, **files}


def _located(value: Any, base: Path, names: Set[str]) -> Any:
    """The value, or each item of a list, as an absolute path if it looks like a path or exists as one."""
    if isinstance(value, list):
        return [_located(item, base, names) for item in value]
    if not isinstance(value, str) or value in names:
        return value
    path = _absolute(value, base)
    return path if _is_path(value) or located(path) else value


def _is_path(value: str) -> bool:
    return value.startswith(("/", ".", "~")) or value.count("/") > 1 or value.lower().endswith(SUFFIXES)


def _absolute(value: str, base: Path) -> str:
    try:
        return str((base / Path(value).expanduser()).resolve()) if value.strip() else value
    except (OSError, RuntimeError, ValueError):  # an unknown user's home, a loop of links: opening it is refused
        return value
