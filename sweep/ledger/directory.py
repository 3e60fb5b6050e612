"""The folder of a sweep: the one owner of its file names, and of the right to write in it."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from sweep.errors import FolderError, LedgerError

__all__ = ["SweepDirectory"]


@dataclass(frozen=True, slots=True)
class SweepDirectory:
    """Where a sweep keeps its ledger, its resolved spec, its log and its report."""

    path: Path

    @property
    def called(self) -> str:
        """What a command that is typed here calls the sweep: its name if it lies in ./sweeps, else its folder."""
        usual = Path("sweeps") / self.path.name
        return self.path.name if self.path.absolute() == usual.absolute() else str(self.path)

    @property
    def journal(self) -> Path:
        """The ledger, unless the spec puts it into a database."""
        return self.path / "ledger.journal"

    @property
    def spec(self) -> Path:
        """The resolved spec of the last run."""
        return self.path / "spec.yaml"

    @property
    def has_run(self) -> bool:
        """Whether a sweep was run, imported or fetched there: a folder of somebody else may hold a `spec.yaml` too, and
        an empty lock, once a driver was looked for."""
        return self.journal.exists() or (self._lock.is_file() and self._lock.stat().st_size > 0)

    @property
    def log(self) -> Path:
        """What the driver logs."""
        return self.path / "sweep.log"

    @property
    def report(self) -> Path:
        """The report's folder; it can be made anew from the ledger at any time."""
        return self.path / "report"

    @property
    def classifiers(self) -> Path:
        """The folder of the winners that are kept at the end of a run."""
        return self.path / "classifiers"

    def kept(self) -> tuple[Path, ...]:
        """The folders of the winners that are kept. One that begins with a dot was being written when its process was
        killed."""
        folders = (file.parent for file in self.classifiers.glob("*/classifier.json"))
        return tuple(sorted(folder for folder in folders if not folder.name.startswith(".")))

    @property
    def winners_due(self) -> Path:
        """Is there from the beginning of a run that trains until its winners are kept and explained, as far as the spec
        asks for it."""
        return self.path / "winners-due"

    @property
    def explanations(self) -> Path:
        """The folder of what `python -m sweep explain` writes, with a folder of its own for each arm."""
        return self.path / "explain"

    def explained(self) -> tuple[Path, ...]:
        """The folders of the arms that are explained."""
        return tuple(sorted(file.parent for file in self.explanations.glob("*/explain.html")))

    @property
    def stop_request(self) -> Path:
        """What `python -m sweep stop` leaves here for the driver, see sweep.scheduling.stop_requests."""
        return self.path / "stop-request"

    def create(self) -> None:
        """Make the folder. Raises FolderError if that is impossible, if it cannot be written, or if a file in it is a
        link."""
        self._check_own()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / ".write-test").touch()
            (self.path / ".write-test").unlink()
        except OSError as error:
            raise self._unwritable(error) from error

    def write_spec(self, text: str) -> None:
        """Replace the resolved spec as a whole, so that there is always a readable one.

        Raises FolderError if the disk does not take it.
        """
        new = self.spec.with_suffix(".new")
        try:
            new.write_text(text, encoding="utf-8")
            new.replace(self.spec)
        except OSError as error:
            raise self._unwritable(error) from error

    def expect_winners(self) -> None:
        """Note that winners may change. Raises FolderError if the disk does not take it."""
        try:
            self.winners_due.touch()
        except OSError as error:
            raise self._unwritable(error) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the sweep's lock. It dies with the process, so a stale lock cannot exist.

        Raises LedgerError, naming host and process, if another driver holds it, and FolderError if the folder cannot be
        written.
        """
        self._check_own()
        with self._lock_file() as file:
            if not _take(file, timeout=0.5):
                raise LedgerError(
                    f"one driver may run a sweep at a time; {self.path} is in use by {_owner(file)}; wait for it, stop "
                    f"it with `python -m sweep stop {shlex.quote(str(self.path))}`, or give this sweep another name "
                    "(`--set name=...`)"
                )
            try:
                file.truncate(0)
                file.write(json.dumps({"host": socket.gethostname(), "pid": os.getpid()}))
                file.flush()
                self.stop_request.unlink(missing_ok=True)  # what an earlier driver did not live to see
            except OSError as error:
                raise self._unwritable(error) from error
            yield

    def driver(self) -> str | None:
        """The driver that holds the lock, in words; None if there is none."""
        with self._lock_file() as file:
            return None if _take(file, timeout=0) else _owner(file)

    def _check_own(self) -> None:
        """A link among the files, as a folder from elsewhere may have, would have some other file written, cut short or
        published."""
        files = (self.journal, self.spec, self.spec.with_suffix(".new"), self.log, self.stop_request, self.winners_due)
        own = (*files, self.report, self.explanations, self._lock)
        links = [path for path in own if path.is_symlink()]
        if links:
            raise FolderError(
                f"the files of a sweep lie in its own folder; {links[0]} is a link to {links[0].readlink()}; put the "
                "file itself there, remove the link, or choose another place with --dir"
            )

    @property
    def _lock(self) -> Path:
        return self.path / "driver.lock"

    def _lock_file(self) -> TextIO:
        try:
            return self._lock.open("a+")
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> FolderError:
        return FolderError(
            f"the sweep's folder must be writable; {self.path} is not ({error.strerror or error}); make room or choose "
            "another place with --dir; the same command then resumes"
        )


def _take(file: TextIO, timeout: float) -> bool:
    """Lock the file, waiting at most `timeout` seconds: a look at who holds it takes a moment too."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.05)
        else:
            return True


def _owner(file: TextIO) -> str:
    """Who holds the lock, in words. A driver that has just taken it writes its name in the next moment."""
    deadline, text = time.monotonic() + 0.5, ""
    while not text and time.monotonic() < deadline:
        file.seek(0)
        text = file.read()
        time.sleep(0 if text else 0.01)
    try:
        owner = json.loads(text)
        return f"process {owner['pid']} on {owner['host']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
