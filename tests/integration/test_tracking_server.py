"""The projection over HTTP, against a real MLflow server that is killed, late, or out of reach."""

from __future__ import annotations

import shutil
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sweep.errors import TrackingError
from sweep.records.sweep import SweepState
from sweep.tracking import Projection, Tracker, sync
from sweep.tracking.store import open_client
from tests.services.mlflow_server import Line, Server, free_port
from tests.services.waiting import wait_until
from tests.sweeps.memory_ledger import MemoryLedger, complete, migrated_database
from trainable.outcomes import Outcome

if TYPE_CHECKING:
    from mlflow.entities import Run


CREATE = "/api/2.0/mlflow/runs/create"
LOG = "/api/2.0/mlflow/runs/log-batch"


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("mlflow-server")
    database = migrated_database(tmp_path_factory.getbasetemp(), folder / "mlflow.db")
    server = Server(folder, database, free_port())
    yield server
    server.kill()


@pytest.fixture
def server(mlflow_server: Server) -> Server:
    if mlflow_server.process is None:
        mlflow_server.start()
    return mlflow_server


@pytest.fixture
def line(server: Server) -> Line:
    return Line(server.port)


@pytest.fixture
def url(line: Line) -> Iterator[str]:
    opened = line.open()
    yield f"http://127.0.0.1:{opened.server_port}"
    opened.shutdown()
    opened.server_close()


@pytest.fixture
def experiment(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)


def check(server: Server, experiment: str, ledger: MemoryLedger) -> dict[str, Run]:
    """The runs of the experiment are those of the ledger, each once, complete and ended. Returns them by trial key."""
    client = open_client(server.url)
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    assert not client.search_runs(["0"]), "a run strayed into the Default experiment"
    runs = client.search_runs([found.experiment_id])
    assert sorted(run.info.run_name for run in runs) == sorted(
        ["demo", *(f"{record.config.method} #{record.number} of {record.cell}" for record in ledger.trials())]
    )
    assert "RUNNING" not in {run.info.status for run in runs}
    by_name = {run.info.run_name: run for run in runs}
    assert by_name["demo"].info.run_id == ledger.sweep().run_id
    trials = {
        record.key: by_name[f"{record.config.method} #{record.number} of {record.cell}"] for record in ledger.trials()
    }
    for record in ledger.trials():
        run = trials[record.key]
        assert run.data.tags["sweep.outcome"] == record.outcome
        assert run.data.tags["mlflow.parentRunId"] == ledger.sweep().run_id
        points = client.get_metric_history(run.info.run_id, "score")
        assert sorted((point.step, point.value) for point in points) == [
            (r.number, r.score) for r in record.evaluations
        ]
    return trials


def test_a_sweep_costs_a_handful_of_requests_a_trial(server: Server, line: Line, url: str, experiment: str) -> None:
    ledger = MemoryLedger()
    with Tracker(ledger, experiment=experiment, uri=url, required=True) as tracker:
        for _ in range(3):
            keys = [ledger.ask() for _ in range(4)]
            for number in range(16):
                for key in keys:
                    ledger.record(key, number / 16, train_loss=1.0, train_seconds=2.0)
                    tracker.notify(key)
                time.sleep(0.1)
            for key in keys:
                ledger.finish(key, Outcome.COMPLETED)
                tracker.notify(key)
        ledger.end(SweepState.FINISHED)
    assert len(check(server, experiment, ledger)) == 12
    print(f"{len(line.requests)} requests for 12 trials of 16 reports with 4 metrics")
    assert len(line.requests) <= 5 * 12 + 15


def test_a_server_that_dies_and_returns_gets_everything(server: Server, url: str, experiment: str) -> None:
    ledger = MemoryLedger()
    tracker = Tracker(ledger, experiment=experiment, uri=url, required=True)
    tracker.start()
    before, during = ledger.ask(), ledger.ask()
    for key in (before, during):
        ledger.record(key, 0.25)
        tracker.notify(key)
    wait_until(lambda: ledger.trial(during).run_id)
    server.kill()
    began = time.monotonic()
    ledger.record(during, 0.5)
    ledger.finish(before, Outcome.PRUNED, "below the rung")
    later = ledger.ask()
    for key in (before, during, later):
        tracker.notify(key)
    assert time.monotonic() - began < 1, "an outage must not hold up the sweep"
    wait_until(lambda: tracker.problem)
    server.start()
    ledger.record(later, 0.75)
    ledger.finish(during, Outcome.COMPLETED)
    ledger.finish(later, Outcome.FAILED, "ValueError: no", "Traceback")
    ledger.end(SweepState.FINISHED)
    assert tracker.close(timeout=60) == Projection(pushed=3, missing=0)
    statuses = [run.info.status for run in check(server, experiment, ledger).values()]
    assert statuses == ["FINISHED", "FINISHED", "FAILED"]
    artifacts = open_client(server.url).list_artifacts(str(ledger.trial(later).run_id))
    assert [each.path for each in artifacts] == ["failure.txt"]


def statuses(server: Server, experiment: str) -> list[str]:
    client = open_client(server.url)
    found = client.get_experiment_by_name(experiment)
    return sorted(run.info.status for run in client.search_runs([found.experiment_id])) if found else []


def test_a_server_that_returns_with_an_older_database_gets_everything(
    server: Server, url: str, experiment: str, tmp_path: Path
) -> None:
    ledger = MemoryLedger()
    tracker = Tracker(ledger, experiment=experiment, uri=url, required=True)
    tracker.start()
    before, during = complete(ledger, 0.25), ledger.ask()
    ledger.record(during, 0.25)
    for key in (before, during):
        tracker.notify(key)
    wait_until(lambda: statuses(server, experiment) == ["FINISHED", "RUNNING", "RUNNING"])
    database, older = server.database.removeprefix("sqlite:///"), tmp_path / "older.db"
    with closing(sqlite3.connect(database)) as live, closing(sqlite3.connect(older)) as copy:
        live.backup(copy)
    ledger.record(during, 0.5)
    ledger.finish(during, Outcome.COMPLETED)
    tracker.notify(during)
    tracker.notify(complete(ledger, 0.75))
    wait_until(lambda: statuses(server, experiment) == ["FINISHED"] * 3 + ["RUNNING"])
    server.kill()
    for leftover in Path(database).parent.glob(f"{Path(database).name}-*"):
        leftover.unlink()
    shutil.copy(older, database)
    server.start()
    assert statuses(server, experiment) == ["FINISHED", "RUNNING", "RUNNING"]
    ledger.end(SweepState.FINISHED)
    assert tracker.close(timeout=60) == Projection(pushed=3, missing=0)
    check(server, experiment, ledger)


def test_the_last_comparison_sends_only_what_lacks(server: Server, line: Line, url: str, experiment: str) -> None:
    ledger = MemoryLedger()
    tracker = Tracker(ledger, experiment=experiment, uri=url, required=True)
    tracker.start()
    for _ in range(12):
        tracker.notify(complete(ledger, 0.25, 0.5))
    wait_until(lambda: statuses(server, experiment).count("FINISHED") == 12)
    line.requests.clear()
    ledger.end(SweepState.FINISHED)
    assert tracker.close(timeout=60) == Projection(pushed=12, missing=0)
    assert line.requests.count(LOG) <= 1, "of the sweep's own run"
    assert len(line.requests) <= 8
    line.requests.clear()
    assert sync(ledger, experiment=experiment, uri=url) == Projection(pushed=12, missing=0)
    assert LOG not in line.requests
    check(server, experiment, ledger)


@pytest.mark.parametrize("fate", ["errs", "dies in the middle"])
def test_a_server_that_fails_for_a_while_loses_nothing(
    server: Server, line: Line, url: str, experiment: str, fate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.tracking.tracker._PERIOD", 0.05)
    ledger = MemoryLedger()
    with Tracker(ledger, experiment=experiment, uri=url, required=True) as tracker:
        before = ledger.ask()
        ledger.record(before, 0.25)
        tracker.notify(before)
        wait_until(lambda: ledger.trial(before).run_id)
        if fate == "errs":
            line.status = 500
        else:
            line.loses = lambda path: True  # the server does what it is told, and nobody hears of it
        ledger.record(before, 0.5)
        ledger.finish(before, Outcome.COMPLETED)
        during = ledger.ask()
        for key in (before, during):
            tracker.notify(key)
        wait_until(lambda: tracker.problem)
        ledger.record(during, 0.5)
        ledger.finish(during, Outcome.PRUNED, "below the rung")
        line.status, line.loses = None, lambda path: False
        wait_until(lambda: not tracker.problem)
        ledger.end(SweepState.FINISHED)
    check(server, experiment, ledger)


def test_a_server_that_takes_long_costs_the_sweep_nothing(
    server: Server, line: Line, url: str, experiment: str
) -> None:
    line.delay = lambda path: 1.0
    ledger = MemoryLedger()
    tracker = Tracker(ledger, experiment=experiment, uri=url, required=False)
    began = time.monotonic()
    tracker.start()
    keys = [complete(ledger, 0.25, 0.5) for _ in range(8)]
    for key in keys:
        tracker.notify(key)
    assert time.monotonic() - began < 1, "nobody waits for an answer"
    ledger.end(SweepState.FINISHED)
    began = time.monotonic()
    projection = tracker.close(timeout=3)
    assert time.monotonic() - began < 5
    assert projection.pushed < 8
    assert projection.left == (*keys[projection.pushed :], "the sweep's own run")
    assert f"left: {keys[projection.pushed]}, " in str(projection)
    assert "there was no time for more within 3 s" in str(projection)
    wait_until(lambda: all(thread.name != "tracking" for thread in threading.enumerate()))
    line.delay = lambda path: 0.0
    assert sync(ledger, experiment=experiment, uri=url) == Projection(pushed=8, missing=0)
    check(server, experiment, ledger)


def test_a_slow_server_gets_everything(server: Server, line: Line, url: str, experiment: str) -> None:
    line.delay = lambda path: 0.3
    ledger = MemoryLedger()
    with Tracker(ledger, experiment=experiment, uri=url, required=True):
        for _ in range(3):
            complete(ledger, 0.25, 0.5)
        ledger.end(SweepState.FINISHED)
    check(server, experiment, ledger)


@pytest.mark.parametrize("fate", ["lost", "late"])
def test_a_creation_whose_answer_does_not_come_makes_no_second_run(
    server: Server, line: Line, url: str, experiment: str, fate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.tracking.tracker._PERIOD", 0.05)
    ledger = MemoryLedger()
    with Tracker(ledger, experiment=experiment, uri=url, required=True) as tracker:
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        creations = line.requests.count(CREATE)

        def first(path: str) -> bool:
            return path == CREATE and line.requests.count(CREATE) == creations + 1

        if fate == "lost":
            line.loses = first
        else:
            line.delay = lambda path: 3.0 * first(path)  # reaches the server when another run was made instead
        key = ledger.ask()
        tracker.notify(key)
        wait_until(lambda: tracker.problem)
        wait_until(lambda: ledger.trial(key).run_id)
        wait_until(lambda: not tracker.problem)
        if fate == "late":
            time.sleep(3.5)
        ledger.record(key, 0.5)
        ledger.finish(key, Outcome.COMPLETED)
        ledger.end(SweepState.FINISHED)
    check(server, experiment, ledger)
    assert line.requests.count(CREATE) == creations + (1 if fate == "lost" else 2)


def test_a_driver_that_died_before_it_recorded_its_runs_finds_them(server: Server, url: str, experiment: str) -> None:
    ledger = MemoryLedger()
    tracker = Tracker(ledger, experiment=experiment, uri=url, required=True)
    tracker.start()
    keys = [ledger.ask(), ledger.ask()]
    for key in keys:
        ledger.record(key, 0.25)
        tracker.notify(key)
    wait_until(lambda: all(ledger.trial(key).run_id for key in keys))
    runs = {key: ledger.trial(key).run_id for key in keys}
    ledger.forget_runs()  # the tracker's thread still runs, but it has nothing more to do, as if its process were dead

    with Tracker(ledger, experiment=experiment, uri=url, required=True):
        for key in keys:
            ledger.restart(key)
            ledger.record(key, 0.5)
            ledger.finish(key, Outcome.COMPLETED)
        ledger.end(SweepState.FINISHED)
    trials = check(server, experiment, ledger)
    assert {key: run.info.run_id for key, run in trials.items()} == runs
    tracker.close(timeout=30)


def test_an_interrupted_sweep_is_killed_and_then_finished(
    server: Server, url: str, experiment: str, capfd: pytest.CaptureFixture[str]
) -> None:
    ledger = MemoryLedger()
    with Tracker(ledger, experiment=experiment, uri=url, required=True):
        key = ledger.ask()
        ledger.record(key, 0.25)
        ledger.finish(key, Outcome.INTERRUPTED, "Ctrl-C")
        ledger.end(SweepState.INTERRUPTED)
    (first,) = check(server, experiment, ledger).values()
    assert first.info.status == "KILLED"
    ledger.end(SweepState.RUNNING)
    with Tracker(ledger, experiment=experiment, uri=url, required=True):
        ledger.restart(key)
        ledger.record(key, 0.5)
        ledger.finish(key, Outcome.COMPLETED)
        ledger.end(SweepState.FINISHED)
    (second,) = check(server, experiment, ledger).values()
    assert (second.info.status, second.info.run_id) == ("FINISHED", first.info.run_id)
    assert capfd.readouterr() == ("", "")


def test_a_server_that_is_never_there_loses_nothing(
    server: Server, experiment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.tracking.tracker._LAST_PAUSES", (0.0, 0.2))
    nowhere = f"http://ann:s3cret@127.0.0.1:{free_port()}"
    ledger = MemoryLedger()
    with pytest.raises(
        TrackingError, match=r"http://\*\*\*@127.0.0.1:\d+ does not: .*refused; start it \(`mlflow server`\)"
    ):
        Tracker(ledger, experiment=experiment, uri=nowhere, required=True).start()
    tracker = Tracker(ledger, experiment=experiment, uri=nowhere, required=False)
    tracker.start()
    for _ in range(2):
        tracker.notify(complete(ledger, 0.25, 0.5))
    ledger.end(SweepState.FINISHED)
    began = time.monotonic()
    projection = tracker.close(timeout=30)
    assert time.monotonic() - began < 15
    assert (projection.pushed, projection.missing) == (0, 2)
    assert str(projection).startswith("0 of 2 runs are in MLflow; left: ")
    assert "(the MLflow store must answer; http://***@" in str(projection)
    assert sync(ledger, experiment=experiment, uri=server.url) == Projection(pushed=2, missing=0)
    check(server, experiment, ledger)


def test_a_server_that_hangs_holds_nobody_up(experiment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    ledger = MemoryLedger()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(TrackingError, match=r"timed out"):
            Tracker(ledger, experiment=experiment, uri=uri, required=True).start()
        tracker = Tracker(ledger, experiment=experiment, uri=uri, required=False)
        began = time.monotonic()
        tracker.start()
        assert time.monotonic() - began < 1.5, "a store that is not required is not waited for"
        complete(ledger, 0.5)
        assert tracker.close(timeout=1.5).missing == 1
        assert time.monotonic() - began < 6


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, r"must grant access; http://\*\*\*@.* refuses it.*401.*MLFLOW_TRACKING_USERNAME"),
        (403, r"must grant access; http://\*\*\*@.* refuses it.*403.*MLFLOW_TRACKING_TOKEN"),
        (404, r"must answer; http://\*\*\*@.* does not: .*404"),
        (503, r"must answer; http://\*\*\*@.* does not: .*503"),
    ],
)
def test_a_server_that_refuses_is_explained(line: Line, url: str, experiment: str, status: int, message: str) -> None:
    line.status = status
    uri = url.replace("http://", "http://ann:s3cret@")
    with pytest.raises(TrackingError, match=message) as caught:
        Tracker(MemoryLedger(), experiment=experiment, uri=uri, required=True).start()
    assert "s3cret" not in str(caught.value)


def test_a_page_that_is_no_mlflow_server_is_explained(line: Line, url: str, experiment: str) -> None:
    line.status = 200
    with pytest.raises(TrackingError, match=r"must answer; .*not in a valid JSON format"):
        Tracker(MemoryLedger(), experiment=experiment, uri=url, required=True).start()


def test_a_host_name_that_the_server_does_not_know_is_explained(server: Server, experiment: str) -> None:
    uri = server.url.replace("127.0.0.1", socket.gethostname())
    try:
        with socket.create_connection((socket.gethostname(), server.port), timeout=1):
            pass
    except OSError:
        pytest.skip("this machine's own name does not lead to its loopback interface")
    with pytest.raises(TrackingError, match=r"--allowed-hosts"):
        Tracker(MemoryLedger(), experiment=experiment, uri=uri, required=True).start()


def test_what_a_server_held_before_it_died_for_good_is_told(
    server: Server, url: str, experiment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.tracking.tracker._LAST_PAUSES", (0.0, 0.1))
    ledger = MemoryLedger()
    tracker = Tracker(ledger, experiment=experiment, uri=url, required=True)
    tracker.start()
    held = complete(ledger, 0.5)
    tracker.notify(held)
    wait_until(lambda: "FINISHED" in statuses(server, experiment))
    time.sleep(0.2)  # until the thread knows it too
    server.kill()
    late = complete(ledger, 0.75)
    projection = tracker.close(timeout=30)
    assert (projection.pushed, projection.left) == (1, (late, "the sweep's own run"))
    assert "must answer" in projection.problem
