"""A ledger that is deleted while its sweep runs: the run ends in words, and MLflow shows nothing as running."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sweep.tracking.store import open_client
from tests.services.waiting import TIME_LIMIT, wait_until


def begun(folder: Path, encoder: Path, data: Path) -> subprocess.Popen[str]:
    spec = {
        "name": "toy",
        "datasets": {"films": {"path": str(data)}},
        "compare": {"dataset": ["films"], "shots": [4], "loss": ["cross_entropy"]},
        "trial": {"encoder": str(encoder), "embedding": "mean", "max_length": 16},
        "protocol": {"replicates": 3, "evaluations": 2, "steps": 8, "validation": 20},
        "budget": {"trials_per_cell": 100, "concurrency": 1},
        "pruning": {"rule": "none"},
        "confirm": {"draws": 0},
        "tracking": {"experiment": "toys"},
    }
    (folder / "spec.yaml").write_text(yaml.safe_dump(spec))
    return subprocess.Popen(
        [sys.executable, "-m", "sweep", "run", "spec.yaml"],
        cwd=folder,
        env={**os.environ, "RAY_worker_niceness": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def end(process: subprocess.Popen[str]) -> None:
    """What is left of a sweep when its test has failed."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def states(folder: Path) -> list[str]:
    """The states of all runs in MLflow."""
    client = open_client(f"sqlite:///{folder}/mlflow.db")
    experiments = [each.experiment_id for each in client.search_experiments() if each.name == "toys"]
    return [run.info.status for run in client.search_runs(experiments, max_results=1000)] if experiments else []


@pytest.mark.parametrize("lost", ["ledger.journal", "."])
def test_no_run_stays_running(
    lost: str, tmp_path: Path, tiny_bert: Path, toy_csv: Path, request: pytest.FixtureRequest
) -> None:
    process = begun(tmp_path, tiny_bert, toy_csv)
    request.addfinalizer(lambda: end(process))
    place = tmp_path / "sweeps" / "toy" / lost
    store = tmp_path / "mlflow.db"
    wait_until(lambda: store.exists() and states(tmp_path).count("FINISHED") >= 2)
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink()
    output, _ = process.communicate(timeout=TIME_LIMIT)
    assert process.returncode == 2, output
    assert "ledger.journal is gone: it was deleted or moved while it was in use; restore it from a copy" in output
    assert "nothing that was recorded is lost" not in output
    assert "Traceback" not in output
    found = states(tmp_path)
    assert "RUNNING" not in found
    assert "KILLED" in found
    assert found.count("FINISHED") >= 2
