"""`status` and `sync` on sweeps whose driver is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sweep.cli.commands import main
from sweep.ledger.directory import SweepDirectory
from sweep.ledger.ledger import Ledger
from sweep.ledger.storage import open_storage
from sweep.tracking.store import open_client
from tests.sweeps.grid import evaluated, grid, spec
from tests.sweeps.memory_ledger import migrated_database
from trainable.outcomes import Outcome


@pytest.fixture
def uri(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return migrated_database(tmp_path_factory.getbasetemp(), tmp_path / "mlflow.db")


@pytest.fixture
def dead_sweep(tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch) -> SweepDirectory:
    """A sweep in ./sweeps/small: one trial completed, one under way when its driver was killed, nothing in MLflow."""
    monkeypatch.chdir(tmp_path)
    directory = SweepDirectory(tmp_path / "sweeps" / "small")
    directory.create()
    small = spec(tracking={"experiment": "toys", "uri": uri})
    directory.spec.write_text(yaml.safe_dump(small.resolved()))
    ledger = Ledger(open_storage(directory.journal, write=True), "small")
    ledger.begin(small.resolved(), grid(), {})
    first, second = (ledger.ask(grid()[0], seed=0, budget=8).key for _ in range(2))
    for replicate, evaluation in [(0, 1), (0, 2), (1, 1), (1, 2)]:
        ledger.record(first, evaluated(replicate, evaluation, 0.5))
    ledger.finish(first, Outcome.COMPLETED)
    ledger.record(second, evaluated(0, 1, 0.25))
    return directory


def test_status_reads_and_changes_nothing(dead_sweep: SweepDirectory, capsys: pytest.CaptureFixture[str]) -> None:
    before = dead_sweep.journal.read_bytes()
    for place in ("small", str(dead_sweep.path)):
        assert main(["status", place]) == 0
        output = capsys.readouterr().out
        assert "1 completed, 1 running" in output
        assert "note: no driver holds this folder: it was killed, or runs on another machine" in output
        assert "0.500" in output
    assert dead_sweep.journal.read_bytes() == before


def test_status_of_a_sweep_that_runs_says_nothing_of_its_driver(
    dead_sweep: SweepDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    with dead_sweep.locked():
        assert main(["status", "small"]) == 0
    assert "note:" not in capsys.readouterr().out


def test_a_reader_that_leaves_is_no_failure(dead_sweep: SweepDirectory) -> None:
    """As `python -m sweep status small | head -1` where the pipe is closed before all is written."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "sweep", "status", "small"],
            stdout=pipe,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")


def test_sync_fills_an_empty_store_and_closes_what_died(
    dead_sweep: SweepDirectory, uri: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert main(["sync", "small"]) == 0
        assert "all 2 runs are in MLflow" in capsys.readouterr().out
        client = open_client(uri)
        experiment = client.get_experiment_by_name("toys")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id])
        found = sorted((run.data.tags["sweep.role"], run.info.status, run.data.metrics.get("score")) for run in runs)
        assert found == [("sweep", "KILLED", None), ("trial", "FINISHED", 0.5), ("trial", "KILLED", 0.25)]


def test_a_broken_folder_is_refused_in_words(dead_sweep: SweepDirectory, capsys: pytest.CaptureFixture[str]) -> None:
    dead_sweep.journal.unlink()
    assert main(["status", "small"]) == 2
    assert "has a ledger; there is none" in capsys.readouterr().err
    assert not dead_sweep.journal.exists()
    dead_sweep.spec.write_text("name: [")
    assert main(["status", "small"]) == 2
    assert "must be readable" in capsys.readouterr().err


def test_an_unreachable_ledger_database_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--set", "ledger=postgresql://nobody@127.0.0.1:9/none"]) == 2
    assert "the database of the ledger must be open" in capsys.readouterr().err
