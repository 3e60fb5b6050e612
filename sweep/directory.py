"""The folder of a sweep: the one owner of its file names, and of the right to write in it."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sweep.errors import LedgerError

__all__ = ["SweepDirectory"]


@dataclass(frozen=True, slots=True)
class SweepDirectory:
    """Where a sweep keeps its ledger, its resolved spec, its log and its report."""

    path: Path

    @property
    def journal(self) -> Path:
        """The ledger, unless the spec puts it into a database."""
        return self.path / "ledger.journal"

    @property
    def spec(self) -> Path:
        """The resolved spec of the last run."""
        return self.path / "spec.yaml"

    @property
    def log(self) -> Path:
        """What the driver logs."""
        return self.path / "sweep.log"

    @property
    def report(self) -> Path:
        """The report's folder; it can be made anew from the ledger at any time."""
        return self.path / "report"

    @property
    def ray(self) -> Path:
        """Tune's scratch space; nothing in it is ever read back."""
        return self.path / "ray"

    def create(self) -> None:
        """Make the folder. Raises LedgerError if that is impossible or if it cannot be written."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / ".write-test").touch()
            (self.path / ".write-test").unlink()
        except OSError as error:
            raise LedgerError(
                f"the sweep's folder must be writable; {self.path} is not ({error.strerror or error}); choose "
                f"another place with --dir"
            ) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the sweep's lock. It dies with the process, so a stale lock cannot exist.

        Raises LedgerError, naming host and process, if another driver holds it.
        """
        with (self.path / "driver.lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.seek(0)
                raise LedgerError(
                    f"one driver may run a sweep at a time; {self.path} is in use by {_owner(file.read())}; "
                    "wait for it, stop it with Ctrl-C, or give this sweep another name (`--set name=...`)"
                ) from error
            file.truncate(0)
            file.write(json.dumps({"host": socket.gethostname(), "pid": os.getpid()}))
            file.flush()
            yield


def _owner(content: str) -> str:
    try:
        owner = json.loads(content)
        return f"process {owner['pid']} on {owner['host']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
