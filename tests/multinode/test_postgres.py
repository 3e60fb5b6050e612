"""Whole sweeps with ledger and MLflow's runs in Postgres, which is restarted in the middle of them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from sweep.ledger.stored import read_stored
from sweep.records.confirmation import ConfirmationRecord
from sweep.records.results import SweepResults
from sweep.records.trial import TrialRecord
from sweep.tracking.metrics import points
from sweep.tracking.runs import run_key
from sweep.tracking.store import open_client
from tests.services.kill_on_exit import kill_on_exit
from tests.services.mlflow_server import Server, free_port
from tests.services.postgres_server import PostgresServer, execute
from tests.services.process import clean_environment
from tests.services.sessions import Session
from tests.services.waiting import TIME_LIMIT, wait_until
from tests.sweeps.progress import reports_in_postgres
from tests.sweeps.results_table import table
from tests.sweeps.tiny_task import TinyTask

ROOT = Path(__file__).parents[2]
REPORTS = 12  # in both ledgers, of the 36 that there will be


Hold = Callable[[int], None]


@pytest.fixture(scope="module")
def hold() -> Iterator[Hold]:
    """What takes the leader of a session that is to end if the tests are killed."""
    with kill_on_exit() as hold:
        yield hold


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> TinyTask:
    task = TinyTask(tmp_path_factory.mktemp("task"))
    task.write()
    return task


@contextmanager
def sweeping(task: TinyTask, folder: Path, hold: Hold, **blocks: Any) -> Iterator[Session]:
    """`python -m sweep run` in a new folder. One trial runs at a time, so that the search is the same each time."""
    folder.mkdir()
    task.write_spec(
        folder / "spec.yaml",
        folder.name,
        compare={"dataset": ["films"], "shots": [4], "loss": ["cross_entropy", "soft_triple"]},
        protocol={"replicates": 2, "evaluations": 2, "steps": 60, "validation": 20},
        budget={"trials_per_cell": 2, "concurrency": 1},
        confirm={"draws": 1, "reseeded": 0},
        **blocks,
    )
    quiet = {"RAY_AUTH_MODE": "disabled", "RAY_worker_niceness": "0"}
    command = [sys.executable, "-m", "sweep", "run", "spec.yaml"]
    session = Session.begin(command, folder, clean_environment(folder, ROOT) | quiet, folder / "output.txt")
    try:
        hold(session.process.pid)
        yield session
    finally:
        session.kill()


def results(folder: Path) -> SweepResults:
    return read_stored(folder.name, folder / "sweeps")[1].results()


@pytest.fixture(scope="module")
def postgres(postgres_server: PostgresServer, hold: Hold) -> PostgresServer:
    hold_postgres(postgres_server, hold)
    return postgres_server


def hold_postgres(server: PostgresServer, hold: Hold) -> None:
    assert server.process is not None
    hold(server.process.pid)


@contextmanager
def mlflow_server(folder: Path, database: str, hold: Hold) -> Iterator[Server]:
    folder.mkdir()
    server = Server(folder, database, free_port(), begun=hold)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def create_databases(server: PostgresServer, *names: str) -> Iterator[str]:
    for name in names:
        execute(server.url, f"CREATE DATABASE {name}")
        yield server.database(name)


def assert_complete(uri: str, found: SweepResults) -> None:
    """Each record has one run, which has ended, with the points of its curves and no others."""
    client = open_client(uri)
    (experiment,) = (each for each in client.search_experiments() if each.name != "Default")
    of_this_sweep = f"tags.`sweep.name` = '{found.sweep.name}'"
    runs = [(run_key(run.data.tags)[1], run) for run in client.search_runs([experiment.experiment_id], of_this_sweep)]
    every: list[TrialRecord | ConfirmationRecord] = [*found.trials, *found.confirmations]
    records = {record.key: record for record in every}
    assert Counter(key for key, _ in runs) == Counter([None, *records])
    for key, run in runs:
        assert run.info.status == "FINISHED", key
        if key is not None:
            curves = [client.get_metric_history(run.info.run_id, name) for name in run.data.metrics]
            held = Counter((each.key, each.step, each.value) for curve in curves for each in curve)
            assert held == Counter((each.name, each.step, each.value) for each in points(records[key], after=0)), key


def test_a_restart_of_postgres_costs_no_score_and_no_run(
    postgres: PostgresServer, task: TinyTask, hold: Hold, tmp_path: Path
) -> None:
    """It strikes two sweeps at once, which share it as ledger; one has its runs there through a server of MLflow.
    A third beside them has its ledger in a file, and its runs in SQLite."""
    ledger, runs, served = create_databases(postgres, "ledger", "runs", "served")
    with ExitStack() as stack:
        sweeps = [stack.enter_context(sweeping(task, tmp_path / "undisturbed", hold))]
        database = served.replace("sql:", "sql+psycopg2:")
        server = stack.enter_context(mlflow_server(tmp_path / "mlflow", database, hold))
        stores = {"through_a_server": server.url, "directly": runs}
        for name, uri in stores.items():
            blocks = {"ledger": ledger, "tracking": {"uri": uri}}
            sweeps.append(stack.enter_context(sweeping(task, tmp_path / name, hold, **blocks)))
        count = reports_in_postgres(ledger)
        wait_until(lambda: count() >= REPORTS)
        postgres.restart()
        hold_postgres(postgres, hold)
        assert all(sweep.running for sweep in sweeps[1:]), "the restart came too late"
        for sweep in sweeps:
            assert sweep.process.wait(timeout=TIME_LIMIT) == 0, sweep.said
            assert "Traceback" not in sweep.said
        undisturbed = table(results(tmp_path / "undisturbed"))
        assert len(undisturbed) == 6  # two cells with two trials and a confirmation
        for name, uri in stores.items():
            found = results(tmp_path / name)
            assert table(found) == undisturbed
            assert_complete(uri, found)
