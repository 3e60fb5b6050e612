"""The bundle that is sent to the head of a cluster: a spec and the files that it names.

Files keep their names, in folders named by a digest of their contents: the same data have the same path there, whoever
sends them, and changed data have another path, which a sweep that has begun refuses.

What belongs to Git stays here. By the cluster's file, `rsync` obeys each .gitignore that it meets, which is meant for
the project's own folder: in a folder of data, as DVC keeps them, it names the data.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from sweep.errors import ClusterError
from sweep.spec.model import SweepSpec
from sweep.spec.paths import with_moved_paths
from trainable.containment import contains

__all__ = ["Bundle", "pack"]

_LEFT_OUT = (".git", ".gitignore")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A spec with all files that it names, in one folder.

    folder: where they are.
    spec: name of the spec's file in the folder.
    digest: of the spec and, by their paths, of the files.
    """

    folder: Path
    spec: str
    digest: str


def pack(spec: SweepSpec, folder: Path) -> Bundle:
    """Copy a spec, as NAME.yaml with relative paths, and its local files into `folder`.

    Raises ClusterError for a file that cannot be read.
    """
    text = yaml.safe_dump(
        with_moved_paths(spec.resolved(), lambda path: _packed(Path(path), folder)),
        sort_keys=False,
        allow_unicode=True,
    )
    (folder / f"{spec.name}.yaml").write_text(text, encoding="utf-8")
    return Bundle(folder, f"{spec.name}.yaml", hashlib.sha256(text.encode()).hexdigest()[:16])


def _packed(source: Path, folder: Path) -> str:
    try:
        _check_links(source)
        digest = _digest(source)
        place = Path("data") / digest / source.name
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        else:
            shutil.copyfile(source, target)
    except (OSError, shutil.Error) as error:
        raise ClusterError(
            f"the files of a spec are copied to the cluster; {source} cannot be read ({error}); check the path and its "
            "permissions"
        ) from error
    return str(place)


def _check_links(source: Path) -> None:
    """Raises ClusterError for a folder with links that lead out of it: nobody has said that those files may be sent."""
    links = [path for path in _sent(source) if not contains(source, path)] if source.is_dir() else []
    if links:
        raise ClusterError(
            f"what is copied to the cluster must be inside the spec's own folders; {links[0]} is a link that leads out "
            f"of {source}; copy what it leads to"
        )


def _sent(folder: Path) -> Iterator[Path]:
    """All that is sent of a folder."""
    return (path for path in folder.rglob("*") if not {*path.relative_to(folder).parts} & {*_LEFT_OUT})


def _digest(source: Path) -> str:
    """The digest of a file's contents, or of the names and contents of all files of a folder that are sent."""
    digest = hashlib.sha256()
    for path in sorted(_sent(source)) if source.is_dir() else [source]:
        if path.is_file():
            digest.update(f"{path.relative_to(source.parent)}\0{path.stat().st_size}\0".encode())
            with path.open("rb") as file:
                while piece := file.read(2**20):
                    digest.update(piece)
    return digest.hexdigest()[:16]
