"""An MLflow store that is new, half made, or of another version of MLflow."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from sweep.errors import TrackingError
from sweep.tracking.database import _known_versions
from sweep.tracking.store import open_client
from tests.services.waiting import TIME_LIMIT

_BEGIN = """
import sys
from sweep.tracking import Tracker
from tests.sweeps.memory_ledger import MemoryLedger
with Tracker(MemoryLedger(), experiment="films", uri=sys.argv[1], required=True):
    pass
"""


def begin_at_once(uri: str, folder: Path, number: int = 6) -> list[str]:
    """Begin several sweeps at once; what each of them says if it fails."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _BEGIN, uri], cwd=folder, env=_environment(), stderr=subprocess.PIPE, text=True
        )
        for _ in range(number)
    ]
    errors = [process.communicate(timeout=TIME_LIMIT)[1] for process in processes]
    return [error for process, error in zip(processes, errors, strict=True) if process.returncode]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def experiments(uri: str) -> list[str]:
    return sorted(each.name for each in open_client(uri).search_experiments(view_type=3))


@pytest.mark.parametrize("attempt", range(2))
def test_sweeps_that_begin_at_once_share_a_fresh_file(attempt: int, tmp_path: Path) -> None:
    assert begin_at_once("sqlite:///mlflow.db", tmp_path) == []
    assert experiments(f"sqlite:///{tmp_path}/mlflow.db") == ["Default", "films"]
    assert not list(tmp_path.glob("*.new*"))


def test_sweeps_that_begin_at_once_share_a_fresh_database(postgres_url: str, tmp_path: Path) -> None:
    assert begin_at_once(postgres_url, tmp_path, number=4) == []
    assert experiments(postgres_url) == ["Default", "films"]


def test_a_process_that_is_killed_while_it_makes_a_store_leaves_none(tmp_path: Path) -> None:
    """Here it ends at the two hundredth statement, in the midst of a migration."""
    kill = """
import os, sys, sqlalchemy
from sweep.tracking.database import _known_versions
from sweep.tracking.store import open_client
count = 0
def die(*_):
    global count
    count += 1
    if count == 200:
        os._exit(7)
sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", die)
open_client(sys.argv[1])
"""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    died = subprocess.run([sys.executable, "-c", kill, uri], env=_environment(), check=False)
    assert died.returncode == 7
    assert not (tmp_path / "mlflow.db").exists()
    assert experiments(uri) == ["Default"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole store with one run in it."""
    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    open_client(f"sqlite:///{file}").create_run("0")
    return file


def changed(whole: Path, folder: Path, *statements: str) -> str:
    """The address of a copy of the store in which these statements were carried out."""
    file = folder / "mlflow.db"
    with sqlite3.connect(file) as copy, sqlite3.connect(whole) as original:
        original.backup(copy)
        for statement in statements:
            copy.execute(statement)
    copy.close()
    original.close()
    return f"sqlite:///{file}"


@pytest.mark.parametrize(
    "statements",
    [
        # what two processes that made it at once have left
        ("DROP TABLE webhooks", "UPDATE alembic_version SET version_num = 'bf29a5ff90ea'"),
        ("DROP TABLE webhooks", "DELETE FROM alembic_version"),
        ("DELETE FROM alembic_version",),
        ("DROP TABLE webhooks", "CREATE TABLE _alembic_tmp_runs (x)", "DELETE FROM alembic_version"),
    ],
)
def test_a_half_made_store_is_recognised(statements: tuple[str, ...], whole: Path, tmp_path: Path) -> None:
    uri = changed(whole, tmp_path, *statements)
    says = (
        r"must have all of its tables; those of sqlite:.* are half made .*"
        r"move it away.*`python -m sweep sync NAME` pushes"
    )
    with pytest.raises(TrackingError, match=says) as caught:
        open_client(uri)
    assert "\n" not in str(caught.value)


def test_a_store_of_a_newer_mlflow_names_its_remedy(whole: Path, tmp_path: Path) -> None:
    for place, statements in (("tables", ()), ("fewer tables", ("DROP TABLE webhooks",))):
        (tmp_path / place).mkdir()
        uri = changed(whole, tmp_path / place, *statements, "UPDATE alembic_version SET version_num = 'abcdef123456'")
        with pytest.raises(TrackingError, match=r"are of version abcdef123456.*install the MLflow that wrote it"):
            open_client(uri)


def test_a_store_of_an_older_mlflow_names_its_remedy(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my runs"
    folder.mkdir()
    older = _known_versions()[1]
    uri = changed(whole, folder, f"UPDATE alembic_version SET version_num = '{older}'")  # noqa: S608
    says = rf"those of {uri} are older \(version {older}\); make a copy of it, then run `mlflow db upgrade '{uri}'`"
    with pytest.raises(TrackingError, match=says):
        open_client(uri)
