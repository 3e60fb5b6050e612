"""Access to the head of a cluster by SSH: commands, copies of folders, and tunnels.

Everything uses the `ray` command of this environment with the cluster's file, since that knows how to reach every kind
of cluster that it can start.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sweep.errors import ClusterError

__all__ = ["CommandResult", "Head", "free_port"]

_BEGIN, _END = "---- sweep begins", "---- sweep ends"  # the command's output is between them; the rest is of Ray, SSH
_TUNNEL_LIMIT = 180.0  # seconds for a tunnel to open: the launcher asks the cloud first


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The result of a command on the head.

    code: its exit code.
    output: what it printed to stdout and stderr.
    """

    code: int
    output: str


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a cluster.

    path: the cluster's file.
    """

    path: Path

    def execute(self, command: str) -> CommandResult:
        """Run a shell command on the head and wait for its end. Raises ClusterError if the head cannot be reached."""
        # Tables are fitted to the terminal's width, if there is a terminal.
        width = f"export COLUMNS={shutil.get_terminal_size().columns}; " if sys.stdout.isatty() else ""
        plain = "" if width else " 2>&1 | cat"
        line = f"echo; echo '{_BEGIN}'; {width}({command}){plain}; code=${{PIPESTATUS[0]}}; echo; echo '{_END}' $code"
        done = self._ray("exec", str(self.path), line)
        text = done.stdout.replace("\r\n", "\n")
        _, begun, rest = text.rpartition(f"\n{_BEGIN}\n")
        output, ended, code = rest.rpartition(f"\n{_END} ")
        if not begun or not ended or not code.split():
            raise self._unreachable(done.stdout)
        return CommandResult(int(code.split()[0]), output.strip("\n"))

    def send(self, folder: Path, target: str) -> None:
        """Copy the contents of a folder into a folder of the head. Raises ClusterError if that fails."""
        self._copy("rsync-up", f"{folder}/", f"{target}/")

    def fetch(self, source: str, folder: Path) -> None:
        """Copy the contents of a folder of the head into a local folder. Raises ClusterError if that fails."""
        self._copy("rsync-down", f"{source}/", f"{folder}/")

    @contextmanager
    def tunnel(self, remote: int, local: int | None = None) -> Iterator[int]:
        """Forward a port of this machine's loopback to a port of the head's loopback while the context is open.

        remote: port on the head.
        local: port on this machine; None for a free one.

        Yields the local port. Raises ClusterError if the head cannot be reached or the port is taken.
        """
        port = free_port() if local is None else local
        if _listens(port):  # another program, which would pass for the head
            raise ClusterError(
                f"a tunnel needs a free port; 127.0.0.1:{port} of this machine is taken; give another one with --port"
            )
        with tempfile.TemporaryFile() as log:
            command = _ray("dashboard", str(self.path), "--port", str(port), "--remote-port", str(remote))
            process = subprocess.Popen(  # noqa: S603  # our own program, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(),
                start_new_session=True,
            )
            try:
                self._wait(process, port, log)
                yield port
            finally:
                _end(process)

    def _wait(self, process: subprocess.Popen[bytes], port: int, log: IO[bytes]) -> None:
        deadline = time.monotonic() + _TUNNEL_LIMIT
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                log.seek(0)
                raise self._unreachable(log.read().decode(errors="replace"))
            time.sleep(0.1)

    def _copy(self, command: str, source: str, target: str) -> None:
        done = self._ray(command, str(self.path), source, target)
        if done.returncode:
            raise self._unreachable(done.stdout)

    def _ray(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603  # our own program, no shell
            _ray(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=_environment(),
            check=False,
        )

    def _unreachable(self, output: str) -> ClusterError:
        file = shlex.quote(str(self.path))
        lines = [line.strip() for line in output.splitlines() if line.strip()]
        return ClusterError(
            f"the head of the cluster in {self.path} must be reachable; received: {' / '.join(lines[-3:]) or 'nothing'}"
            f"; check that `ray exec {file} hostname` works here, else start the cluster with `ray up {file}`"
        )


def free_port() -> int:
    """A port of the loopback that no process listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ray(*arguments: str) -> Sequence[str]:
    return [sys.executable, "-m", "ray.scripts.scripts", *arguments]


def _environment() -> Mapping[str, str]:
    return {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "PYTHONWARNINGS": "ignore"}


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process group of the launcher and its SSH."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
            return
