"""The services of a cluster's head beside Ray: MLflow's server, and backups of the files that its disk alone has.

    python cluster/head.py STORE           # start both, unless they run; files missing on a new disk are restored first
    python cluster/head.py STORE --once    # back up now and wait for it, as before `ray down`

STORE is a folder, `s3://BUCKET/PATH` or `gs://BUCKET/PATH`, for one cluster alone. MLflow keeps artifacts under
STORE/artifacts. Every few minutes ~/sweeps, which holds the ledgers, and MLflow's database are copied to STORE/copies;
files there are replaced, never deleted. MLFLOW_BACKEND_STORE_URI in the environment, a postgresql:// address without
password, puts MLflow's runs into that database instead, which then needs no copies.
"""

from __future__ import annotations

import argparse
import fcntl
import http.client
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pyarrow import fs  # type: ignore[import-untyped]

TIME_LIMIT = 180  # seconds for the first start of MLflow's server, which makes its tables


class HeadError(ValueError):
    """The head cannot do something; the message is for its user."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a cluster.

    store: its STORE. port: port of MLflow on the loopback.
    """

    store: str
    port: int

    @property
    def folder(self) -> Path:
        """The folder of MLflow's database and of the logs."""
        return Path.home() / "mlflow"

    @property
    def sweeps(self) -> Path:
        """The folder of the sweeps, as in `python -m sweep run --dir ~/sweeps`."""
        return Path.home() / "sweeps"

    @property
    def database(self) -> Path | None:
        """MLflow's SQLite file; None if MLflow uses another database."""
        return None if "MLFLOW_BACKEND_STORE_URI" in os.environ else self.folder / "mlflow.db"

    @property
    def note(self) -> Path:
        """Names the STORE that this head keeps to."""
        return self.folder / "store"

    def check_store(self) -> None:
        """Raises HeadError if this head keeps to another STORE, since its artifacts are there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.note.exists() and self.note.read_text() != self.store:
            raise HeadError(
                f"a head keeps to one STORE, where its artifacts are, and it has {self.note.read_text()}; received "
                f"{self.store}; go back to that one, or end this cluster and start a new one"
            )

    def serve(self) -> None:
        """Start MLflow's server on the loopback, unless one answers. Raises HeadError if it does not start."""
        if self._answers():
            return
        environment = {
            "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{self.database}",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight processes of 240 MB each, which no sweep uses
        }
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--artifacts-destination", f"{self.store}/artifacts"]
        log = self.folder / "server.log"
        server = _in_background(command, log, {**environment, **os.environ})
        deadline = time.monotonic() + TIME_LIMIT
        while not self._answers():
            if server.poll() is not None or time.monotonic() > deadline:
                raise HeadError(f"MLflow's server must start at 127.0.0.1:{self.port}; it did not; {log} says why")
            time.sleep(0.2)

    def _answers(self) -> bool:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=3)) as connection:
            try:
                connection.request("GET", "/health")
                return connection.getresponse().status == http.HTTPStatus.OK
            except (OSError, http.client.HTTPException):
                return False


@dataclass(frozen=True, slots=True)
class Copies:
    """The copies of a head's files in its STORE.

    head: the head.
    copied: by path, the state of each file when it was last copied.
    """

    head: Head
    copied: dict[Path, tuple[int, ...]] = field(default_factory=dict)

    def restore(self) -> int:
        """Restore what is missing on this disk, as on that of a new head. Returns the number of files."""
        missing = [place for place in (self.head.sweeps, self.head.database) if place and not place.exists()]
        with self._opened_store() as (system, root):
            return sum(_fetch(system, f"{root}/{place.relative_to(Path.home())}", place) for place in missing)

    def keep_store(self) -> None:
        """Keep to this STORE from now on. Raises HeadError if it cannot be written to: it may then be corrected."""
        with self._opened_store() as (system, root):
            _make_folder(system, root)
            with system.open_output_stream(f"{root}/write-test") as stream:
                stream.write(b"written by cluster/head.py")
            system.delete_file(f"{root}/write-test")
        self.head.note.write_text(self.head.store)

    def update(self) -> int:
        """Copy files that are new or have changed. Returns their number."""
        count = 0
        with _locked(self.head.folder / "copying.lock"), self._opened_store() as (system, root):
            for path in self._files():
                stamp = _stamp(path)
                if stamp and stamp != self.copied.get(path):
                    _put(path, path == self.head.database, system, f"{root}/{path.relative_to(Path.home())}")
                    self.copied[path] = stamp
                    count += 1
        return count

    def update_forever(self, minutes: float) -> None:
        """Update the copies every few minutes until the process is ended; return at once if another process does so."""
        try:
            with _locked(self.head.folder / "copies.lock", wait=False):
                while True:
                    self._try_update()
                    time.sleep(60 * minutes)
        except BlockingIOError:
            return

    def _try_update(self) -> None:
        try:
            if count := self.update():
                _print(f"{time.strftime('%F %T')} {count} files copied to {self.head.store}")
        except (OSError, HeadError) as error:  # the next round tries again
            _print(f"{time.strftime('%F %T')} not copied: {error}")

    @contextmanager
    def _opened_store(self) -> Iterator[tuple[fs.FileSystem, str]]:
        """The file system and path of the copies. Raises HeadError for any error inside the context."""
        try:
            yield fs.FileSystem.from_uri(f"{self.head.store}/copies")
        except (OSError, ValueError, sqlite3.Error) as error:
            raise HeadError(
                f"files of the head must be copied to its STORE and back; {self.head.store} does not work ({error}); "
                "make the bucket or folder, give the head the right to it, or correct SWEEP_STORE in the cluster's file"
            ) from error

    def _files(self) -> Iterator[Path]:
        yield from sorted(path for path in self.head.sweeps.rglob("*") if path.is_file())
        if self.head.database and self.head.database.exists():
            yield self.head.database


def _stamp(path: Path) -> tuple[int, ...]:
    """Times and sizes of a file and of its SQLite write-ahead log; empty if the file has been removed."""
    log = path.with_name(f"{path.name}-wal")
    try:
        states = [path.stat(), *([log.stat()] if log.exists() else [])]
    except FileNotFoundError:  # a running sweep replaces its files
        return ()
    return tuple(number for state in states for number in (state.st_mtime_ns, state.st_size))


def _put(path: Path, is_database: bool, system: fs.FileSystem, target: str) -> None:
    """Write a file under a temporary name first, so that the old copy stays whole until the new one is."""
    _make_folder(system, target.rpartition("/")[0])
    with tempfile.TemporaryDirectory() as scratch:
        source = _snapshot(path, Path(scratch)) if is_database else path
        with source.open("rb") as file, system.open_output_stream(f"{target}.new") as stream:
            shutil.copyfileobj(file, stream)
    system.move(f"{target}.new", target)


def _make_folder(system: fs.FileSystem, path: str) -> None:
    """Buckets have no folders, and to make any there Arrow asks for rights that a head at Google has not."""
    if isinstance(system, fs.LocalFileSystem):
        system.create_dir(path, recursive=True)


def _snapshot(database: Path, folder: Path) -> Path:
    """A consistent copy of a SQLite file that may be written to meanwhile."""
    snapshot = folder / database.name
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(snapshot)) as target:
        source.backup(target)
    return snapshot


def _fetch(system: fs.FileSystem, origin: str, place: Path) -> int:
    """Restore a file or folder from its copy, as a whole or not at all. Returns the number of files."""
    if system.get_file_info(origin).is_file:
        files = [origin]
    else:
        found = system.get_file_info(fs.FileSelector(origin, recursive=True, allow_not_found=True))
        files = [entry.path for entry in found if entry.is_file and not entry.path.endswith(".new")]
    if not files:
        return 0
    scratch = place.with_name(f"{place.name}.restored")
    shutil.rmtree(scratch, ignore_errors=True)  # what an earlier try left
    for file in files:
        target = scratch / file.removeprefix(origin).lstrip("/") if file != origin else scratch
        target.parent.mkdir(parents=True, exist_ok=True)
        with system.open_input_stream(file) as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy)
    scratch.rename(place)
    return len(files)


@contextmanager
def _locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _in_background(command: Sequence[str], log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a process that outlives this one and its terminal."""
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603  # our own programs, no shell
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True
        )


def _print(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201


def _store(text: str) -> str:
    """STORE as given; a folder as an absolute path. Raises ArgumentTypeError if it is neither bucket nor folder."""
    if not text or ("://" in text and not text.startswith(("s3://", "gs://"))):
        raise argparse.ArgumentTypeError(
            f"must be a folder, s3://BUCKET/PATH or gs://BUCKET/PATH; received {text!r}; correct SWEEP_STORE in the "
            "cluster's file"
        )
    return text.rstrip("/") if "://" in text else str(Path(text).expanduser().absolute())


def _start(head: Head, minutes: float) -> None:
    copies = Copies(head)
    copies.keep_store()  # before anything that uses STORE runs
    if count := copies.restore():
        _print(f"{count} files restored from {head.store}")
    head.serve()
    copies.update()
    watch = [sys.executable, __file__, head.store, "--watch", "--minutes", str(minutes), "--port", str(head.port)]
    _in_background(watch, head.folder / "copies.log", dict(os.environ))
    _print(f"MLflow is at http://127.0.0.1:{head.port} of the head; copies go to {head.store}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Returns 0, or 2 if STORE does not work or MLflow's server does not start."""
    parser = argparse.ArgumentParser(description="Start what the head of a cluster runs beside Ray.")
    parser.add_argument("store", metavar="STORE", type=_store, help="a folder, s3://BUCKET/PATH or gs://BUCKET/PATH")
    parser.add_argument("--once", action="store_true", help="only copy, now")
    parser.add_argument("--watch", action="store_true", help=argparse.SUPPRESS)  # the process that keeps copying
    parser.add_argument("--minutes", type=float, default=5.0, help="between two copies: what may be lost (default: 5)")
    parser.add_argument("--port", type=int, default=5000, help="of MLflow (default: 5000)")
    options = parser.parse_args(arguments)
    head = Head(options.store, options.port)
    try:
        head.check_store()
        if options.watch:
            Copies(head).update_forever(options.minutes)
        elif options.once:
            copies = Copies(head)
            copies.keep_store()
            _print(f"{copies.update()} files copied to {head.store}")
        else:
            _start(head, options.minutes)
    except (OSError, HeadError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
