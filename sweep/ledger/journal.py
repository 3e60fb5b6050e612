"""A ledger in a file: Optuna's journal, kept whole over kills, power cuts and full disks."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Generator
from io import FileIO
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from sweep.errors import LedgerError

__all__ = ["open_journal"]

logger = logging.getLogger(__name__)

_NUMBER = "record"  # the key of a record's number, from 0; Optuna passes over it


def open_journal(path: Path, *, write: bool) -> BaseStorage:
    """The Optuna storage in a journal file.

    With `write`, a journal that ends in the middle of a record, as a kill leaves it, is cut back to its last whole
    record; what is cut is kept beside it. Without, nothing is changed. Whoever writes holds the sweep's lock. Raises
    LedgerError if the file is no journal, not there to be read, or not open to writing.
    """
    if write:
        _repair(path)
    elif not path.exists():
        raise LedgerError(
            f"a sweep that has begun has a ledger; there is none at {path}; `python -m sweep run` begins it"
        )
    try:
        return JournalStorage(_JournalFile(str(path)))
    except LedgerError:
        raise
    except OSError as error:
        raise _unwritable(path, error) from error
    except Exception as error:  # a line of a foreign file can break Optuna in any way
        raise _unreadable(path, error) from error


class _JournalFile(JournalFileBackend):
    """Optuna's journal file, for one writer: an append that fails leaves the file as it was, and can be repeated.

    Optuna's own lock file is not used: it is one more thing that a full disk refuses, and the sweep's lock is held.
    Each record bears its number, so that a line which is lost is missed. Records of earlier versions bear none.
    """

    def __init__(self, file_path: str) -> None:
        super().__init__(file_path)
        self._written = (0, 0)  # where the last append ended: in bytes, and in records

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add records at the end. Raises LedgerError, and adds none of them, if the disk does not take them all."""
        try:
            with Path(self._file_path).open("r+b", buffering=0) as file:
                end = _end(file)
                count = self._count(file, end)
                numbered = ({**log, _NUMBER: count + index} for index, log in enumerate(logs))
                records = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in numbered).encode()
                _append(file, end, records)
                self._written = (end + len(records), count + len(logs))
        except OSError as error:
            raise _unwritable(Path(self._file_path), error) from error

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """The records from that number on. Raises LedgerError if one of them is damaged or lost."""
        try:
            for position, log in enumerate(super().read_logs(log_number_from), start=log_number_from):
                if log.get(_NUMBER, position) != position:
                    raise ValueError(
                        f"line {position + 1} holds record {log[_NUMBER] + 1}, so lines before it are lost"
                    )
                yield _interned(log)
        except (OSError, ValueError) as error:
            raise _unreadable(Path(self._file_path), error) from error

    def _count(self, file: FileIO, end: int) -> int:
        """How many records end before `end`."""
        known_end, known = self._written
        if end == known_end:
            return known
        file.seek(0)
        return file.readall()[:end].count(b"\n")


def _interned(value: Any) -> Any:
    """A record in which short texts are those of the records before it. The names of fields, and most of their values,
    are the same in every trial, and would be half of what a trial takes of the driver's memory."""
    match value:
        case str() if len(value) <= 64:
            return sys.intern(value)
        case dict():
            return {_interned(key): _interned(each) for key, each in value.items()}
        case list():
            return [_interned(each) for each in value]
    return value


def _append(file: FileIO, end: int, records: bytes) -> None:
    try:
        file.truncate(end)
        file.seek(end)
        rest = memoryview(records)
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())
    except BaseException:  # Ctrl-C too: the driver continues to write until it has closed its trials
        file.truncate(end)
        raise


def _end(file: FileIO) -> int:
    """Where the last whole record ends. Behind it is only what an append left that could not be taken back either."""
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        return 0
    file.seek(size - 1)
    if file.read(1) == b"\n":
        return size
    file.seek(0)
    return file.readall().rfind(b"\n") + 1


def _repair(path: Path) -> None:
    """Cut a journal back to its last whole record: one that is glued to a torn one would be lost with it."""
    try:
        content = path.read_bytes() if path.exists() else b""
        whole = _whole(content)
        if whole < len(content):
            _keep(path, content[whole:])
            os.truncate(path, whole)
    except OSError as error:
        raise _unwritable(path, error) from error
    except ValueError as error:
        raise _unreadable(path, error) from error


def _whole(content: bytes) -> int:
    """The size of a journal without a torn record at its end. Raises ValueError if more than that is torn.

    A torn record lacks its newline. After a power cut it may have it, but lack some of its pages: it is no JSON then.
    """
    *lines, torn = content.split(b"\n")
    size = len(content) - len(torn)
    if len(lines) > 1 and not _is_record(lines[-1]):
        size -= len(lines.pop()) + 1
    if lines and not _is_record(lines[-1]):
        raise ValueError("its last line is no record")
    return size


def _is_record(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _keep(path: Path, record: bytes) -> None:
    """Put a torn record beside its journal, where there is room: nobody needs it, but nothing is thrown away unseen."""
    torn = path.with_name(f"{path.name}.torn-{int(time.time())}")
    try:
        torn.write_bytes(record)
        logger.warning("the ledger ended in the middle of a record; the torn record is kept in %s", torn)
    except OSError as error:
        logger.warning("the ledger ended in the middle of a record, which could not be kept: %s", error)


def _unwritable(path: Path, error: OSError) -> LedgerError:
    if isinstance(error, FileNotFoundError):
        return _gone(path)
    return LedgerError(
        f"a ledger must be open to reading and writing; {path} is not ({error.strerror or error}); free space or "
        "correct its rights, then run the same command again: nothing that was recorded is lost"
    )


def _unreadable(path: Path, error: Exception) -> LedgerError:
    if isinstance(error, FileNotFoundError):
        return _gone(path)
    return LedgerError(
        f"a ledger must be a readable Optuna journal; {path} is not ({error}); restore it from a copy, or move it away "
        "to start anew"
    )


def _gone(path: Path) -> LedgerError:
    return LedgerError(
        f"a sweep's ledger must stay in its place; {path} is gone: it was deleted or moved while it was in use; "
        "restore it from a copy, and the same command resumes, or begin anew under another name (`--set name=...`); "
        "what MLflow shows of this sweep is its last state"
    )
