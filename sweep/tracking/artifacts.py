"""The artifacts of runs, each stored once, as far as the store is known to have kept it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from sweep.tracking.store import UploadError

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["Artifacts", "files"]


def files(path: Path) -> Iterator[tuple[str, Path]]:
    """A file, or all files of a folder, with their names as artifacts: those of a folder begin with its own name."""
    if not path.is_dir():
        yield path.name, path
    for each in sorted(path.rglob("*")):
        if each.is_file() and not each.is_symlink():  # what a link leads to is nobody's to publish
            yield PurePosixPath(path.name, each.relative_to(path).as_posix()).as_posix(), each


@dataclass(slots=True)
class Artifacts:
    """What this process has stored with runs, by run and name: a text itself, or time and size of a file.

    Of what earlier processes stored nothing is known; it is stored again once.
    """

    _stored: dict[tuple[str, str], str | tuple[int, int]] = field(default_factory=dict)

    def has(self, run: str, texts: Mapping[str, str]) -> bool:
        """Whether these texts are stored with the run."""
        return all(self._stored.get((run, name)) == text for name, text in texts.items())

    def store_text(self, client: MlflowClient, run: str, name: str, text: str) -> None:
        """Store a text under a name, unless it is there. Raises UploadError."""
        if self._stored.get((run, name)) == text:
            return
        try:
            client.log_text(run, text, name)
        except Exception as error:
            raise UploadError(f"{name}: {error}") from error
        self._stored[run, name] = text

    def store_file(self, client: MlflowClient, run: str, name: str, path: Path) -> None:
        """Store a file, the end of whose path is its name, unless it is there unchanged. Raises UploadError."""
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
        """It is no longer known what the store holds of this run."""
        self._stored = {known: version for known, version in self._stored.items() if known[0] != run}

    def check(self, client: MlflowClient, run: str) -> None:
        """Forget everything if the store no longer has what was stored with this run. One listing speaks for all runs:
        whoever empties the place where artifacts are kept seldom spares some."""
        stored = {PurePosixPath(name).parts[0] for owner, name in self._stored if owner == run}
        if stored and not stored <= _listed(client, run):
            self._stored.clear()


def _listed(client: MlflowClient, run: str) -> set[str]:
    try:
        return {each.path for each in client.list_artifacts(run)}
    except Exception:  # MLflow's, its HTTP client's, or those of a cloud's storage
        return set()
