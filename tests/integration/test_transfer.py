"""A sweep moves from its journal file into a real Postgres and back again."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import pytest
from optuna.study import StudyDirection

from sweep.cli.commands import main
from sweep.errors import LedgerError
from sweep.ledger.exporter import _snapshot, export_sweep
from sweep.ledger.importer import import_sweep
from sweep.ledger.ledger import Ledger
from sweep.ledger.storage import exclusive, open_storage
from tests.services import postgres_server as real
from tests.sweeps.mixed_sweep import continued, mixed_sweep, reopened

postgres_server, postgres_url = real.postgres_server, real.postgres_url


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    mixed_sweep(tmp_path)
    export_sweep("small", tmp_path, tmp_path / "small.json")
    return tmp_path / "small.json"


def imported(file: Path, root: Path, ledger: str) -> None:
    """Import as a process of its own would: at its end, nothing of it holds the sweep any more."""
    import_sweep(file, root, ledger)
    gc.collect()


def document(file: Path) -> Any:
    return json.loads(file.read_bytes())


def test_a_sweep_moves_into_a_database_and_back(
    exported: Path, postgres_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = reopened(tmp_path).results()
    assert main(["import", str(exported), "--dir", str(tmp_path), "--ledger", postgres_url]) == 0
    assert f"are in {postgres_url}; " in capsys.readouterr().out
    assert reopened(tmp_path).results() == before
    assert main(["export", "small", str(tmp_path / "again.json"), "--dir", str(tmp_path)]) == 0
    assert document(tmp_path / "again.json") == document(exported)
    assert main(["import", str(tmp_path / "again.json"), "--dir", str(tmp_path / "back")]) == 0
    assert reopened(tmp_path / "back").results() == before


def test_the_search_resumes_in_the_database(exported: Path, postgres_url: str, tmp_path: Path) -> None:
    imported(exported, tmp_path / "to", postgres_url)
    here = Ledger(open_storage(tmp_path / "small" / "ledger.journal", write=True), "small")
    with exclusive(postgres_url, "small"):
        there = Ledger(open_storage(postgres_url, write=True, name="small"), "small")
        assert continued(there) == continued(here)


def test_what_an_import_that_died_has_left_is_replaced(exported: Path, postgres_url: str, tmp_path: Path) -> None:
    storage = open_storage(postgres_url, write=True)
    for name in ("small", "small/support/4/soft_triple", "other/support/4/soft_triple"):
        storage.create_new_trial(storage.create_new_study([StudyDirection.MAXIMIZE], name))
    imported(exported, tmp_path / "to", postgres_url)
    assert reopened(tmp_path / "to").results() == reopened(tmp_path).results()
    assert "other/support/4/soft_triple" in {study.study_name for study in storage.get_all_studies()}
    with pytest.raises(LedgerError, match="one named 'small' has begun in postgresql://"):
        import_sweep(exported, tmp_path / "elsewhere", postgres_url)


def test_an_export_is_of_one_moment(exported: Path, postgres_url: str, tmp_path: Path) -> None:
    imported(exported, tmp_path / "to", postgres_url)
    with exclusive(postgres_url, "small"), _snapshot(postgres_url) as storage:
        storage.get_all_studies()
        writer = Ledger(open_storage(postgres_url, write=True, name="small"), "small")
        before = reopened(tmp_path / "to").results()
        after = continued(writer)
        studies = {study.study_name: study._study_id for study in storage.get_all_studies()}
        seen = sum(len(storage.get_all_trials(study)) for name, study in studies.items() if "/" in name)
        export_sweep("small", tmp_path / "to", tmp_path / "later.json")
    trials = [study["trials"] for study in document(exported)["studies"]]
    assert seen == sum(map(len, trials))
    assert len(after) > 1
    assert reopened(tmp_path / "to").results() != before
    assert document(tmp_path / "later.json") != document(exported)


def test_a_database_that_is_cut_off_in_the_middle(exported: Path, postgres_url: str, tmp_path: Path) -> None:
    imported(exported, tmp_path / "to", postgres_url)
    with pytest.raises(LedgerError, match=r"must answer until all of it is read; .* did not \(\w*Error: [^()]*\)"):
        _read_and_cut_off(postgres_url)


def _read_and_cut_off(url: str) -> None:
    cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database()"
    with _snapshot(url) as storage:
        storage.get_all_studies()
        real.execute(url, f"{cut} AND pid <> pg_backend_pid()")
        storage.get_all_studies()
