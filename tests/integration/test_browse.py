"""`python -m sweep ui`, whose server starts, or cannot."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from sweep.cli.commands import main
from sweep.tracking.store import open_client
from tests.services.mlflow_server import Server, free_port
from tests.services.waiting import TIME_LIMIT, wait_until


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield int(other.getsockname()[1])


def test_a_port_in_use_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with taken_port() as port:
        assert main(["ui", "--port", str(port)]) == 2
    output, errors = capsys.readouterr()
    assert f"127.0.0.1:{port} is not (Address already in use); give another one with --port" in errors
    assert output == ""


@pytest.mark.parametrize("port", ["-1", "0", "70000"])
def test_a_number_that_is_no_port_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["ui", "--port", port])
    assert ended.value.code == 2
    assert f"must be a whole number from 1 to 65535; received {port}" in capsys.readouterr().err


def test_a_store_that_cannot_be_opened_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("no database, but long enough to have had the header of one" * 10)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/notes.txt")
    assert main(["ui", "--port", str(free_port())]) == 2
    assert "file is not a database" in capsys.readouterr().err


def started(folder: Path, port: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sweep", "ui", "--port", str(port)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # `nohup make test` has it ignored, and who is told so obeys.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # noqa: PLW1509
    )


def end(process: subprocess.Popen[str]) -> None:
    """What is left of a server when its test has failed."""
    if process.poll() is None:
        for each in [*psutil.Process(process.pid).children(recursive=True), process]:
            each.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("number", "code", "says"),
    [
        (signal.SIGINT, 0, "until Ctrl-C"),
        (signal.SIGTERM, 0, "until Ctrl-C"),
        (signal.SIGHUP, 0, "until Ctrl-C"),  # the terminal is closed
        (signal.SIGKILL, 2, r"ended by itself|need a free port"),
    ],
)
def test_the_server_ends_with_its_command(
    number: signal.Signals, code: int, says: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    port = free_port()
    client = open_client(f"sqlite:///{tmp_path}/mlflow.db")
    number_of = client.create_experiment("mine", tags={"mlflow.experimentKind": "custom_model_development"})
    process = started(tmp_path, port)
    request.addfinalizer(lambda: end(process))
    wait_until(Server(tmp_path, "", port).answers)
    servers = psutil.Process(process.pid).children(recursive=True)
    assert len(servers) <= 3, "MLflow has a server and its worker, no jobs"
    if number != signal.SIGKILL:
        os.killpg(process.pid, number)
    else:
        for each in reversed(servers):
            each.kill()
    output, _ = process.communicate(timeout=TIME_LIMIT)
    assert process.returncode == code, output
    page = f"http://127.0.0.1:{port}/#/experiments/{number_of}/runs?workflowType=machine_learning"
    assert f"  mine: {page}\n" in output
    assert re.search(says, output), output  # a worker of a server that was killed may hold the port a little longer
    assert "Traceback" not in output
    assert not psutil.wait_procs(servers, timeout=60)[1]
