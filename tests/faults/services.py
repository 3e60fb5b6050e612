"""What the runs of one lane share, since it is slow to start: a Ray cluster, an MLflow server, a Postgres server."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import ThreadingHTTPServer
from pathlib import Path

from tests.services.mlflow_server import Line, Server, free_port
from tests.services.postgres_server import PostgresServer
from tests.services.process import clean_environment
from tests.services.ray_cluster import RayCluster
from tests.sweeps.memory_ledger import migrated_database
from tests.sweeps.tiny_task import TinyTask

__all__ = ["Material", "Mlflow", "Services", "environment"]

_ROOT = Path(__file__).parents[2]
# So that the head gives up a node that does not answer after some twenty seconds, not after more than a minute.
_HEALTH_CHECKS = {"RAY_health_check_period_ms": "1000", "RAY_health_check_timeout_ms": "3000"}


@dataclass(frozen=True, slots=True)
class Material:
    """What all runs read: sentences, a sound encoder, one with a NaN among its weights, an empty MLflow store, and
    the library that moves clocks and refuses memory, where there is a compiler. steps: of each training."""

    folder: Path
    steps: int

    @property
    def sentences(self) -> Path:
        return self.folder / "films.csv"

    @property
    def encoder(self) -> Path:
        return self.folder / "encoder"

    @property
    def poisoned(self) -> Path:
        return self.folder / "poisoned"

    @property
    def library(self) -> Path:
        return self.folder / "preload.so"

    def write(self) -> None:
        """Make all of it. The folder exists."""
        from safetensors.torch import load_file, save_file

        TinyTask(self.folder).write()
        shutil.copytree(self.encoder, self.poisoned)
        weights = load_file(self.encoder / "model.safetensors")
        next(iter(weights.values())).view(-1)[0] = float("nan")
        save_file(weights, self.poisoned / "model.safetensors", metadata={"format": "pt"})
        self.store(self.folder / "mlflow.db")  # while nothing else runs; it leaves a template behind
        if shutil.which("cc"):
            source = str(Path(__file__).with_name("preload.c"))
            subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(self.library), source], check=True)

    def store(self, path: Path) -> str:
        """The URI of a new, empty MLflow database."""
        return migrated_database(self.folder, path)


@dataclass(frozen=True, slots=True)
class Mlflow:
    """A server, and the line to it over which sweeps reach it."""

    server: Server
    line: Line
    opened: ThreadingHTTPServer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.opened.server_port}"

    @property
    def file(self) -> Path:
        """The server's database."""
        return Path(self.server.database.removeprefix("sqlite:///"))

    def heal(self) -> None:
        """Bring server and line into order again."""
        self.line.delay, self.line.status = (lambda path: 0.0), None
        if self.server.process is None:
            self.server.start()

    def save(self, copy: Path) -> None:
        """Copy the database as it is now."""
        _copy(self.file, copy)

    def put_back(self, copy: Path) -> None:
        """Replace what the database holds by an earlier copy."""
        _copy(copy, self.file)

    def close(self) -> None:
        self.opened.shutdown()
        self.opened.server_close()
        self.server.kill()


@dataclass
class Services:
    """Started part by part, when a run asks for it. folder: its own, on a short path, for Ray's sockets lie in it.
    over: set when nothing more is to be done."""

    folder: Path
    material: Material
    over: threading.Event
    _closing: ExitStack = field(default_factory=ExitStack)

    @classmethod
    @contextmanager
    def opened(cls, folder: Path, material: Material, over: threading.Event) -> Iterator[Services]:
        """Services in a new folder; all that was started is ended with them."""
        folder.mkdir()
        services = cls(folder, material, over)
        with services._closing:
            yield services

    @cached_property
    def cluster(self) -> RayCluster:
        cluster = RayCluster(self.folder / "ray", environment(self.folder) | _HEALTH_CHECKS, free_port())
        self._closing.callback(cluster.end)
        cluster.start()
        return cluster

    @cached_property
    def mlflow(self) -> Mlflow:
        folder = self.folder / "mlflow"
        folder.mkdir()
        server = Server(folder, self.material.store(folder / "mlflow.db"), free_port())
        line = Line(server.port)
        mlflow = Mlflow(server, line, line.open())
        self._closing.callback(mlflow.close)
        server.start()
        return mlflow

    @cached_property
    def postgres(self) -> PostgresServer:
        server = PostgresServer.temporary()
        self._closing.callback(server.remove)
        server.start()
        return server


def environment(folder: Path) -> dict[str, str]:
    """Of every process: nothing of this machine's settings, and all temporary files in `folder`."""
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    return clean_environment(folder, _ROOT) | {
        "TMPDIR": str(temporary),
        "RAY_TMPDIR": str(folder),
        "RAY_AUTH_MODE": "disabled",
        "RAY_worker_niceness": "0",  # else workers starve next to whatever else this machine does
    }


def _copy(source: Path, target: Path) -> None:
    """Within the same file, so that whoever has it open sees the other state."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
