"""Folders that came from elsewhere may make us read their own files, and nothing else.

A person may name any place on a machine. The files of a folder were often written by somebody else: a link among them
could lead to a private file, whose lines would then stand in logs and reports.
"""

from __future__ import annotations

from pathlib import Path, PurePath

__all__ = ["contains", "is_plain_name"]


def contains(folder: Path, path: Path) -> bool:
    """Whether `path`, with all links followed, lies in `folder`.

    A snapshot in the cache of the Hugging Face hub consists of links to the files of its own repository, which count as
    its own.
    """
    try:
        return path.resolve().is_relative_to(_own(folder.resolve()))
    except (OSError, RuntimeError):  # a loop of links, a folder on the way that may not be searched
        return False


def is_plain_name(name: object) -> bool:
    """Whether a name that was read from a file names a file beside it, and no other place."""
    return isinstance(name, str) and name not in ("", ".", "..") and PurePath(name).name == name


def _own(folder: Path) -> Path:
    repository = folder.parent.parent
    return repository if folder.parent.name == "snapshots" and (repository / "blobs").is_dir() else folder
