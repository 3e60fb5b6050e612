"""Uploads of artifacts: each text or file is stored once with its run, and again when it has changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from sweep.tracking.store import UploadError

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["Artifacts", "artifact_files"]


def artifact_files(path: Path) -> Iterator[tuple[str, Path]]:
    """The artifact name and path of a file, or of every file in a folder; names in a folder begin with its own name.

    Links inside a folder are left out: they may lead to files that are not meant to be published.
    """
    if not path.is_dir():
        yield path.name, path
    for file in sorted(path.rglob("*")):
        if file.is_file() and not file.is_symlink():
            yield PurePosixPath(path.name, file.relative_to(path).as_posix()).as_posix(), file


@dataclass(slots=True)
class Artifacts:
    """The artifacts that this process has stored, by run id and artifact name.

    A text is remembered itself, a file by its modification time and size. What earlier processes stored is unknown, so
    it is stored again once.
    """

    _stored: dict[tuple[str, str], str | tuple[int, int]] = field(default_factory=dict)

    def has(self, run: str, texts: Mapping[str, str]) -> bool:
        """True if all these texts, by artifact name, are stored with the run."""
        return all(self._stored.get((run, name)) == text for name, text in texts.items())

    def store_text(self, client: MlflowClient, run: str, name: str, text: str) -> None:
        """Store a text as the artifact `name`, unless it is stored already. Raises UploadError."""
        if self._stored.get((run, name)) == text:
            return
        try:
            client.log_text(run, text, name)
        except Exception as error:
            raise UploadError(f"{name}: {error}") from error
        self._stored[run, name] = text

    def store_file(self, client: MlflowClient, run: str, name: str, path: Path) -> None:
        """Store a file as the artifact `name`, with which its path must end, unless it is stored already and unchanged.

        Raises UploadError.
        """
        folder = PurePosixPath(name).parent.as_posix()
        try:
            version = (path.stat().st_mtime_ns, path.stat().st_size)
            if self._stored.get((run, name)) == version:
                return
            client.log_artifact(run, str(path), None if folder == "." else folder)
        except Exception as error:
            raise UploadError(f"{name}: {error}") from error
        self._stored[run, name] = version

    def forget(self, run: str) -> None:
        """Forget which artifacts are stored with a run, so that all of them are stored again."""
        self._stored = {(owner, name): version for (owner, name), version in self._stored.items() if owner != run}

    def check(self, client: MlflowClient, run: str) -> None:
        """Forget all artifacts of all runs if the store no longer lists those of this run.

        One listing stands for all runs, since an artifact store is usually emptied as a whole.
        """
        stored = {PurePosixPath(name).parts[0] for owner, name in self._stored if owner == run}
        if stored and not stored <= _listed(client, run):
            self._stored.clear()


def _listed(client: MlflowClient, run: str) -> set[str]:
    try:
        return {artifact.path for artifact in client.list_artifacts(run)}
    except Exception:  # MLflow's, its HTTP client's, or those of a cloud's storage
        return set()
