"""Artifacts are stored once, and again when the store has lost them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sweep.tracking.artifacts import Artifacts, artifact_files
from sweep.tracking.store import open_client
from tests.sweeps.memory_ledger import migrated_database

if TYPE_CHECKING:
    from mlflow import MlflowClient


@pytest.fixture
def client(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.chdir(tmp_path)
    return open_client(migrated_database(tmp_path_factory.getbasetemp(), tmp_path / "mlflow.db"))


@pytest.fixture
def run(client: MlflowClient) -> str:
    return str(client.create_run(client.create_experiment("sweeps")).info.run_id)


def listed(client: MlflowClient, run: str, folder: str | None = None) -> list[str]:
    return [each.path for each in client.list_artifacts(run, folder)]


def empty(client: MlflowClient, run: str) -> None:
    shutil.rmtree(client.get_run(run).info.artifact_uri.removeprefix("file://"))


def test_files_of_a_folder_are_named_after_it(tmp_path: Path) -> None:
    (tmp_path / "report" / "figures").mkdir(parents=True)
    for name in ("report.html", "figures/scores.png"):
        (tmp_path / "report" / name).touch()
    assert list(artifact_files(tmp_path / "report")) == [
        ("report/figures/scores.png", tmp_path / "report" / "figures" / "scores.png"),
        ("report/report.html", tmp_path / "report" / "report.html"),
    ]
    page = tmp_path / "report" / "report.html"
    assert list(artifact_files(page)) == [("report.html", page)]


@pytest.mark.slow
def test_what_is_known_to_be_stored_is_not_stored_again(client: MlflowClient, run: str, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("report")
    artifacts = Artifacts()

    def store() -> None:
        artifacts.store_text(client, run, "failure.txt", "Traceback")
        artifacts.store_file(client, run, "report/report.html", page)

    store()
    assert listed(client, run) == ["failure.txt", "report"]
    assert listed(client, run, "report") == ["report/report.html"]
    assert artifacts.has(run, {"failure.txt": "Traceback"})
    assert not artifacts.has(run, {"failure.txt": "another one"})
    artifacts.check(client, run)
    empty(client, run)
    store()
    assert listed(client, run) == []
    artifacts.check(client, run)
    store()
    assert listed(client, run) == ["failure.txt", "report"]


@pytest.mark.slow
def test_a_run_is_forgotten_alone(client: MlflowClient, run: str) -> None:
    other = str(client.create_run(client.get_run(run).info.experiment_id).info.run_id)
    artifacts = Artifacts()
    for each in (run, other):
        artifacts.store_text(client, each, "failure.txt", "Traceback")
        empty(client, each)
    artifacts.forget(run)
    for each in (run, other):
        artifacts.store_text(client, each, "failure.txt", "Traceback")
    assert listed(client, run) == ["failure.txt"]
    assert listed(client, other) == []
