"""Commands in sessions of their own: what they start can be found, and ended, also when they themselves are dead."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from tests.services.command_line import is_worker
from tests.services.waiting import TIME_LIMIT

__all__ = ["Session", "workers"]


@dataclass(frozen=True, slots=True)
class Session:
    """A command and all its descendants. output: what they print."""

    process: subprocess.Popen[bytes]
    output: Path

    @classmethod
    def begin(cls, command: Sequence[str], folder: Path, environment: Mapping[str, str], output: Path) -> Session:
        """Start a command in `folder`."""
        with output.open("wb") as file:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(process, output)

    @property
    def running(self) -> bool:
        """Whether the command itself has not ended."""
        return self.process.poll() is None

    @property
    def said(self) -> str:
        """What was printed so far."""
        return self.output.read_text(encoding="utf-8", errors="replace")

    def members(self) -> list[psutil.Process]:
        """All living processes of the session; nobody in this project leaves one."""
        return [process for pid in psutil.pids() if (process := _member(pid, self.process.pid)) is not None]

    def kill(self) -> None:
        """End them all at once, as a power cut does, and wait until they are gone."""
        deadline = time.monotonic() + TIME_LIMIT
        while members := self.members():
            assert time.monotonic() < deadline, f"{members} do not die"
            for member in members:
                _kill(member)
            time.sleep(0.02)
        self.process.wait()


def workers(sessions: Sequence[Session]) -> list[psutil.Process]:
    """Those of Ray's processes that train."""
    return [member for session in sessions for member in session.members() if is_worker(member)]


def _member(pid: int, leader: int) -> psutil.Process | None:
    try:
        if os.getsid(pid) != leader:
            return None
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except (OSError, psutil.Error):  # it ended meanwhile
        return None


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()
