"""Checks that a folder from elsewhere is read only within itself.

A user may name any folder on a machine, but the files in it were often written by somebody else: a symbolic link among
them could point to a private file, whose lines would then appear in logs and reports.
"""

from __future__ import annotations

from pathlib import Path, PurePath

__all__ = ["contains", "is_plain_name"]


def contains(folder: Path, path: Path) -> bool:
    """Return whether `path` lies in `folder` once all symbolic links are resolved.

    A snapshot in the Hugging Face cache consists of links into its own repository; these count as inside.
    """
    try:
        return path.resolve().is_relative_to(_own(folder.resolve()))
    except (OSError, RuntimeError):  # a loop of links, a folder on the way that may not be searched
        return False


def is_plain_name(name: object) -> bool:
    """Return whether a name that was read from a file is a bare file name, without any folder."""
    return isinstance(name, str) and name not in ("", ".", "..") and PurePath(name).name == name


def _own(folder: Path) -> Path:
    repository = folder.parent.parent
    return repository if folder.parent.name == "snapshots" and (repository / "blobs").is_dir() else folder
