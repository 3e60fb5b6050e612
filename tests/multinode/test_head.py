"""head.py for real: MLflow's server, the copies, and a new head that takes them back. Ports on the loopback only."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from tests.multinode.buckets import Bucket, google_bucket, s3_bucket
from tests.multinode.files import CLUSTER
from tests.services.mlflow_server import free_port
from tests.services.waiting import TIME_LIMIT, wait_until


@dataclass(frozen=True, slots=True)
class Machine:
    """A head's home folder, and what runs there."""

    home: Path
    store: str
    port: int
    environment: dict[str, str]

    def head(self, *options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(CLUSTER / "head.py"), self.store, "--port", str(self.port), *options]
        return subprocess.run(
            command,
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
            check=False,
        )

    def processes(self) -> list[psutil.Process]:
        """Everything that was started in this home, the server's own children included."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("HOME") == str(self.home):
                    found.append(process)
        return found

    def servers(self) -> list[int]:
        return sorted(each.pid for each in self.processes() if f"--port {self.port}" in " ".join(each.cmdline()))

    def end(self) -> None:
        for process in self.processes():
            with suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
        wait_until(lambda: not self.processes())

    def write(self, path: str, text: str) -> Path:
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file


Boot = Callable[..., Machine]


@pytest.fixture
def boot(tmp_path: Path) -> Iterator[Boot]:
    """Makes a machine with an empty disk. All of them end with the test."""
    machines = []

    def make(name: str, store: str, **environment: str) -> Machine:
        home = tmp_path / name
        home.mkdir()
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "AWS_"))}
        machine = Machine(home, store, free_port(), {**kept, "HOME": str(home), **environment})
        machines.append(machine)
        return machine

    yield make
    for machine in machines:
        machine.end()


def log_a_run(machine: Machine) -> str:
    """A run with an artifact, logged through the server as a driver does. Returns its id."""
    code = (
        "import mlflow, pathlib; c = mlflow.MlflowClient(); e = c.create_experiment('tickets'); r = c.create_run(e);"
        "p = pathlib.Path('report.html'); p.write_text('what won'); c.log_artifact(r.info.run_id, str(p));"
        "c.log_metric(r.info.run_id, 'score', 0.5); c.set_terminated(r.info.run_id); print(r.info.run_id)"
    )
    environment = {**machine.environment, "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{machine.port}"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=machine.home, capture_output=True, text=True, check=True
    )
    return done.stdout.split()[-1]


def runs(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        return [row[0] for row in connection.execute("SELECT run_uuid FROM runs")]


def test_a_head_serves_copies_and_gives_its_place_to_a_new_one(boot: Boot, tmp_path: Path) -> None:
    store = tmp_path / "store"
    first = boot("first", str(store))
    ledger = first.write("sweeps/tickets/ledger.journal", '{"op_code": 0}\n')
    started = first.head("--minutes", "0.003")
    assert started.returncode == 0, started.stderr
    assert f"http://127.0.0.1:{first.port}" in started.stdout

    addresses = {
        each.laddr.ip
        for process in first.processes()
        for each in process.net_connections(kind="inet")
        if each.status == psutil.CONN_LISTEN
    }
    assert addresses == {"127.0.0.1"}

    servers = first.servers()
    again = first.head("--minutes", "0.003")
    assert again.returncode == 0, again.stderr
    run = log_a_run(first)
    copied = store / "copies" / "sweeps" / "tickets" / "ledger.journal"
    with ledger.open("a") as file:
        file.write('{"op_code": 4}\n')
    wait_until(lambda: copied.read_text() == ledger.read_text())
    assert first.servers() == servers, "a second start must find the first one's processes"

    once = first.head("--once")
    assert once.returncode == 0, once.stderr
    assert "2 files copied" in once.stdout
    assert runs(store / "copies" / "mlflow" / "mlflow.db") == [run]
    assert list((store / "artifacts").rglob("report.html"))
    assert not list(store.rglob("*.new"))
    first.end()

    second = boot("second", str(store))
    started = second.head()
    assert started.returncode == 0, started.stderr
    assert "2 files restored" in started.stdout
    assert (second.home / "sweeps/tickets/ledger.journal").read_text() == ledger.read_text()
    assert runs(second.home / "mlflow" / "mlflow.db") == [run]


@pytest.mark.parametrize("opened", [s3_bucket, google_bucket])
def test_copies_go_into_a_bucket_and_come_back(
    opened: Callable[[], AbstractContextManager[Bucket]], boot: Boot, tmp_path: Path
) -> None:
    with opened() as bucket:
        first = boot("first", f"{bucket.scheme}://sweeps/one", **bucket.environment)
        first.write("sweeps/tickets/ledger.journal", "a record\n")
        assert "1 files copied" in first.head("--once").stdout
        assert [name for name in bucket.names() if name[-1] != "/"] == ["one/copies/sweeps/tickets/ledger.journal"]

        database = tmp_path / "elsewhere.db"
        elsewhere = {"MLFLOW_BACKEND_STORE_URI": f"sqlite:///{database}"}
        second = boot("second", f"{bucket.scheme}://sweeps/one", **elsewhere, **bucket.environment)
        started = second.head()
        assert started.returncode == 0, started.stderr
        assert (second.home / "sweeps/tickets/ledger.journal").read_text() == "a record\n"
        run = log_a_run(second)
        assert runs(database) == [run]
        assert any(name.startswith("one/artifacts/") and run in name for name in bucket.names())

        lost = boot("lost", f"{bucket.scheme}://not-there/one", **bucket.environment)
        lost.write("sweeps/tickets/ledger.journal", "a record\n")
        refused = lost.head("--once")
        assert refused.returncode == 2
        assert f"{bucket.scheme}://not-there/one does not work" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_runs_in_another_database_are_not_copied(boot: Boot, tmp_path: Path) -> None:
    machine = boot("head", str(tmp_path / "store"), MLFLOW_BACKEND_STORE_URI="postgresql://sweep@db.example.com/mlflow")
    machine.write("sweeps/tickets/ledger.journal", "a record\n")
    machine.write("mlflow/mlflow.db", "of an earlier time")
    assert "1 files copied" in machine.head("--once").stdout
    assert not (tmp_path / "store" / "copies" / "mlflow").exists()


def test_another_store_is_refused(boot: Boot, tmp_path: Path) -> None:
    machine = boot("head", str(tmp_path / "store"))
    assert machine.head("--once").returncode == 0
    other = Machine(machine.home, str(tmp_path / "other"), machine.port, machine.environment)
    refused = other.head()
    assert refused.returncode == 2
    assert "keeps to one STORE" in refused.stderr
    assert not machine.processes()


@pytest.mark.parametrize("in_the_way", ["store", "store/copies"])
@pytest.mark.parametrize("options", [(), ("--once",)])
def test_a_store_that_cannot_be_written_is_corrected(
    boot: Boot, tmp_path: Path, in_the_way: str, options: tuple[str, ...]
) -> None:
    """Also where nothing is to be copied yet. Nothing that keeps to the wrong one has been started."""
    (file := tmp_path / in_the_way).parent.mkdir(exist_ok=True)
    file.write_text("no folder")
    machine = boot("head", str(tmp_path / "store"))
    refused = machine.head(*options)
    assert refused.returncode == 2
    assert f"{tmp_path / 'store'} does not work" in refused.stderr
    assert "correct SWEEP_STORE" in refused.stderr
    assert not machine.processes()

    corrected = Machine(machine.home, str(tmp_path / "other"), machine.port, machine.environment).head("--once")
    assert corrected.returncode == 0, corrected.stderr
    again = machine.head()
    assert again.returncode == 2
    assert f"it has {tmp_path / 'other'}" in again.stderr


@pytest.mark.parametrize("store", ["", "http://bucket/path"])
def test_a_store_of_another_kind_is_refused(boot: Boot, store: str) -> None:
    refused = boot("head", store).head()
    assert refused.returncode == 2
    assert "must be a folder, s3://BUCKET/PATH or gs://BUCKET/PATH" in refused.stderr


def test_a_server_that_cannot_start_is_said_so(boot: Boot, tmp_path: Path) -> None:
    machine = boot("head", str(tmp_path / "store"), MLFLOW_BACKEND_STORE_URI=f"sqlite:////proc/none/{time.time()}.db")
    refused = machine.head()
    assert refused.returncode == 2
    assert "MLflow's server must start" in refused.stderr
    assert "Traceback" not in refused.stderr
