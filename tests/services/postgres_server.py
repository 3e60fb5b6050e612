"""A real Postgres server for tests, and the line to it, which can lose the answers to commits.

Fixtures: `postgres_server`, one for each test module, and `postgres_url`, an empty database of it for each test. They
skip where Debian's package `postgresql` is not installed.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from tests.services.mlflow_server import free_port
from tests.services.waiting import wait_until

__all__ = ["LossyLine", "PostgresServer", "execute", "postgres_server", "postgres_url"]

_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
_SETTINGS = ("fsync=off", "listen_addresses=127.0.0.1", "unix_socket_directories=", "shared_buffers=16MB")
_ROOT = os.geteuid() == 0  # whom Postgres refuses to run as


@dataclass
class PostgresServer:
    """Postgres on this machine, open to everybody on it. It keeps its port and its data over a restart.

    folder: an empty one for its data and its log. Where the tests run as root, the user `postgres` must be able to
    enter it, which excludes pytest's own temporary folders: see `temporary`.
    """

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def temporary(cls) -> PostgresServer:
        """One that is not started yet, with a folder that `remove` takes away. Skips where there is no Postgres."""
        if not _PROGRAMS:
            pytest.skip("needs postgresql (Debian)")
        return cls(Path(tempfile.mkdtemp(prefix="postgres-")), free_port())

    @property
    def url(self) -> str:
        """Of the database that every server has."""
        return self.database("postgres")

    def database(self, name: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        data = str(self.folder / "data")
        if not Path(data).exists():
            if _ROOT:
                shutil.chown(self.folder, "postgres", "postgres")
            made = self._call("initdb", "--pgdata", data, "--username=postgres", "--auth=trust", "--no-sync")
            assert made.wait() == 0, (self.folder / "server.log").read_text(encoding="utf-8")
        settings = [part for setting in _SETTINGS for part in ("-c", setting)]
        self.process = self._call("postgres", "-D", data, "-p", str(self.port), *settings)
        wait_until(self.answers)

    def stop(self) -> None:
        """As an administrator does it: sessions are ended, the data is put in order."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """As a crash: the next start recovers."""
        self._end(signal.SIGQUIT)

    def restart(self) -> None:
        self.kill()
        self.start()

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder)

    def answers(self) -> bool:
        try:
            return bool(execute(self.url, "SELECT 1") == 1)
        except OperationalError:
            return False

    def cut(self, application: str) -> int:
        """End all sessions of those whose application name has this in it. Returns how many there were."""
        ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE :pattern"
        return int(execute(self.url, ended, pattern=f"%{application}%"))

    def _call(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / "server.log").open("ab") as log:
            return subprocess.Popen(
                [str(_PROGRAMS[-1] / program), *arguments],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                env={"LC_ALL": "C", "PATH": os.defpath},
                start_new_session=True,
                user="postgres" if _ROOT else None,
                group="postgres" if _ROOT else None,
                extra_groups=[] if _ROOT else None,
            )

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None


@dataclass
class LossyLine:
    """What lies between client and server. It can cut the client off when that commits what it has written; the COMMIT
    still reaches the server, `late` seconds afterwards.

    cuts: whether to cut, for each such commit; none where it ends. lost: how many were.
    """

    server_port: int
    late: float = 0.0
    cuts: Iterator[bool] = field(default_factory=lambda: iter(()))
    lost: int = 0

    @contextmanager
    def open(self) -> Iterator[int]:
        """The port of the client's end."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
            try:
                yield int(listener.getsockname()[1])
            finally:
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        wrote = False
        with suppress(OSError), client, socket.create_connection(("127.0.0.1", self.server_port)) as server:
            while True:
                for source in select.select([client, server], [], [])[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    if source is client:
                        ends = b"COMMIT" in data
                        if ends and wrote and next(self.cuts, False):
                            self._lose(client, server, data)
                            return
                        wrote = not ends and (wrote or any(word in data for word in (b"INSERT", b"SET", b"DELETE")))
                    (server if source is client else client).sendall(data)

    def _lose(self, client: socket.socket, server: socket.socket, commit: bytes) -> None:
        self.lost += 1
        client.shutdown(socket.SHUT_RDWR)
        time.sleep(self.late)
        server.sendall(commit)
        server.recv(65536)


def execute(url: str, statement: str, **values: Any) -> Any:
    """Run one statement in a connection of its own. Returns the first value of what it selects."""
    address = url.replace("postgresql:", "postgresql+psycopg2:")
    engine = create_engine(address, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        result = connection.execute(text(statement), values)
        return result.scalar() if result.returns_rows else None


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[PostgresServer]:
    """A server that runs. A test may stop it."""
    server = PostgresServer.temporary()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """The address of an empty database on a server that runs."""
    if postgres_server.process is None:
        postgres_server.start()
    name = f"test_{uuid.uuid4().hex}"
    execute(postgres_server.url, f"CREATE DATABASE {name}")
    return postgres_server.database(name)
