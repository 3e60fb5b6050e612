"""Addresses of MLflow stores, and what is said about those that cannot be used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy

from sweep.addresses import has_password, redacted
from sweep.errors import TrackingError
from sweep.tracking import Tracker, tracking_uri
from sweep.tracking.experiments import _beside_file, find_experiment
from sweep.tracking.store import open_client, unhurried
from tests.sweeps.memory_ledger import MemoryLedger


def test_the_configured_store_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tracking_uri(None) == "sqlite:///mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    assert tracking_uri(None) == "http://mlflow:5000"
    assert tracking_uri("sqlite:///own.db") == "sqlite:///own.db"


@pytest.mark.parametrize(("before", "inside"), [("10", "900"), (None, "900"), ("30", "30")])
def test_weights_may_take_longer_than_other_requests(
    before: str | None, inside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that took more than ten seconds to hand a large encoder on was said not to answer."""
    name = "MLFLOW_HTTP_REQUEST_TIMEOUT"
    monkeypatch.delenv(name, raising=False)
    if before is not None:
        monkeypatch.setenv(name, before)
    with unhurried():
        assert os.environ[name] == inside
    assert os.environ.get(name) == before


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("at http://ann:s3cret@host:5000/x failed", "at http://***@host:5000/x failed"),
        ("postgresql://ann:s3/cr@et@db/mlflow", "postgresql://***@db/mlflow"),
        ("postgresql://db/mlflow?user=ann&password=s3cret&x=1", "postgresql://db/mlflow?user=ann&password=***&x=1"),
        ("at 'postgresql://ann:s3'cr\"et@db/mlflow' failed", "at 'postgresql://***@db/mlflow' failed"),
        ("http://host:5000/x and a@b", "http://host:5000/x and a@b"),
    ],
)
def test_passwords_are_never_shown(text: str, clean: str) -> None:
    assert redacted(text) == clean


@pytest.mark.parametrize("secret", ["s3cret", "s3/cret", "s3#cret", "s3?cret", "12/3", "s3'cret"])
def test_a_password_is_noticed_whatever_signs_are_in_it(secret: str) -> None:
    """SQLAlchemy takes all of these, so that a spec with one of them would run, and be kept with it."""
    address = f"postgresql://ann:{secret}@db/mlflow"
    assert sqlalchemy.make_url(address).password == secret
    assert has_password(address)
    assert has_password(address.replace("postgresql", "mysql+pymysql"))


@pytest.mark.parametrize("address", ["http://ann:s3/cret@host:5000", "https://token@host", "http://host/?token=s3cret"])
def test_a_password_of_a_server_is_noticed(address: str) -> None:
    assert has_password(address)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://ann@db:5432/mlflow",
        "http://host:5000/a@b",
        "sqlite:////home/ann@lab/a:b@c.db",
        "http://[::1]:5000",
    ],
)
def test_an_address_without_a_password_is_taken(address: str) -> None:
    assert not has_password(address)


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("./mlruns", r"must be a server or a database.*received './mlruns'; use sqlite:///mlflow.db or http"),
        ("file:///tmp/mlruns", r"must be a server or a database.*migrate-filestore"),
        ("ftp://host/x", r"ftp://host/x does not: .*unsupported URI.*MLFLOW_TRACKING_URI"),
        ("http://", r"must be http://HOST:PORT; received 'http://'"),
        ("http://ann:s3cret@127.0.0.1:9", r"must answer; http://\*\*\*@127.0.0.1:9 does not: .*refused; start it"),
        ("http://no-such-host.invalid", r"does not: Failed to resolve.*tracking.required: false"),
        ("postgresql://ann:s3cret@127.0.0.1:9/db", r"open to reading and writing; postgresql://\*\*\*@127.0.0.1:9/db"),
        ("sqlite:////proc/none/mlflow.db", r"sqlite:////proc/none/mlflow.db is not: .*No such file.*rights to write"),
        ("sqlite:////proc/mlflow.db", r"sqlite:////proc/mlflow.db is not: .*No such file.*rights to write"),
        ("sqlite:///{file}/mlflow.db", r"is not: .*(Not a directory|File exists)"),
        ("sqlite:///{file}", r"is not: .*file is not a database"),
        ("oracle://db", r"oracle://db does not"),
    ],
)
def test_a_store_that_cannot_be_used_is_refused_with_a_remedy(uri: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("no database, but long enough to have had the header of one" * 10)
    tracker = Tracker(MemoryLedger(), experiment="sweeps", uri=uri.format(file=file), required=True)
    with pytest.raises(TrackingError, match=message) as caught:
        tracker.start()
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_mlflow_is_imported_only_when_it_is_needed() -> None:
    code = "import sys, sweep.tracking; print(sorted({'mlflow', 'sqlalchemy', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("uri", ["sqlite:///mlflow.db", "sqlite:///:memory:", "sqlite://", "http://host:5000"])
def test_artifacts_lie_where_mlflow_keeps_them_where_that_is_not_elsewhere(uri: str) -> None:
    assert _beside_file(uri, "one") is None


@pytest.mark.lengthy
def test_artifacts_of_a_database_in_a_file_lie_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow keeps them in the current folder, which an estimator filled by its fits, whatever its root."""
    (tmp_path / "here").mkdir()
    (tmp_path / "store").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    client = open_client(f"sqlite:///{tmp_path}/store/mlflow.db")
    experiment = client.get_experiment(find_experiment(client, "team/one"))
    assert experiment.artifact_location == str(tmp_path / "store" / "mlruns" / "team-one")
    run = client.create_run(experiment.experiment_id)
    client.log_text(run.info.run_id, "kept", "said.txt")
    (kept,) = (tmp_path / "store").rglob("said.txt")
    assert kept.read_text() == "kept"
    assert not list((tmp_path / "here").iterdir())
