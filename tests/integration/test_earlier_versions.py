"""Sweeps that commit 491215f has begun, finished and exported: what it has written is read, resumed and extended.

`written_by_491215f` holds, of `small.yaml` there: the ledgers of a sweep whose driver was killed in the middle, in a
journal and as a dump of a Postgres database, and the export and the results of the same sweep undisturbed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from sqlalchemy import NullPool, create_engine

from sweep.ledger.ledger import Ledger
from sweep.ledger.storage import open_storage
from sweep.ledger.stored import read_stored
from sweep.records.confirmation import Role
from sweep.records.results import SweepResults
from sweep.records.sweep import SweepState
from sweep.records.trial import TrialRecord
from trainable.config import TrialConfig
from trainable.field_conflicts import PUBLISHED
from trainable.outcomes import Outcome

WRITTEN = Path(__file__).parent / "written_by_491215f"


def sweep(folder: Path, *arguments: str) -> str:
    """What a command prints, which must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "sweep", *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def undisturbed() -> SweepResults:
    return SweepResults.from_json((WRITTEN / "results.json").read_text(encoding="utf-8"))


def without_runs(results: SweepResults) -> SweepResults:
    """Without MLflow's ids, some of which became known after the results had been written, and in order of keys: a
    driver has trials in the order in which they were asked for, a reader cell by cell."""
    return replace(
        results,
        sweep=replace(results.sweep, run_id=None),
        trials=tuple(replace(trial, run_id=None) for trial in sorted(results.trials, key=lambda trial: trial.key)),
        confirmations=tuple(
            replace(record, run_id=None) for record in sorted(results.confirmations, key=lambda record: record.key)
        ),
    )


def recorded(place: Path | str) -> dict[str, TrialRecord]:
    """The trials in a ledger, by key."""
    ledger = Ledger(open_storage(place, write=False), "small")
    ledger.read()
    return {trial.key: trial for trial in ledger.trials()}


def check_resumed(before: dict[str, TrialRecord], folder: Path) -> None:
    """The sweep in `folder` came to its end, kept what was recorded, and proposed what it would have proposed then."""
    results = read_stored("small", folder / "sweeps")[1].results()
    after = {trial.key: trial for trial in results.trials}
    ended = [key for key, trial in before.items() if trial.outcome not in (None, Outcome.INTERRUPTED)]
    assert len(ended) >= 8, "the driver was killed in the middle"
    assert [(key, after[key].evaluations, after[key].outcome) for key in ended] == [
        (key, before[key].evaluations, before[key].outcome) for key in ended
    ]
    assert {key: trial.params for key, trial in after.items()} == {t.key: t.params for t in undisturbed().trials}
    assert results.sweep.state is SweepState.FINISHED
    confirmed = [record for record in results.confirmations if record.role is Role.CONFIRMATION]
    assert [len(record.replicates) for record in confirmed] == [4, 4, 4]


def test_a_killed_sweep_resumes_from_its_journal(tmp_path: Path) -> None:
    folder = tmp_path / "sweeps" / "small"
    folder.mkdir(parents=True)
    shutil.copyfile(WRITTEN / "ledger.journal", folder / "ledger.journal")
    before = recorded(folder / "ledger.journal")
    output = sweep(tmp_path, "run", str(WRITTEN / "small.yaml"), "--set", "budget.concurrency=1")
    assert "their digests were taken now" in output, "that version took none"
    assert "continues as an earlier version began it: " in output
    check_resumed(before, tmp_path)
    again = sweep(tmp_path, "run", str(WRITTEN / "small.yaml"), "--set", "budget.concurrency=1")
    assert "nothing was trained" in again, "it is still known how it began"
    check_resumed(before, tmp_path)


def test_a_killed_sweep_resumes_from_postgres(tmp_path: Path, postgres_url: str) -> None:
    engine = create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg2:"), poolclass=NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql((WRITTEN / "postgres.sql").read_text(encoding="utf-8").replace("%", "%%"))
    before = recorded(postgres_url)
    sweep(
        tmp_path, "run", str(WRITTEN / "small.yaml"), "--set", "budget.concurrency=1", "--set", f"ledger={postgres_url}"
    )
    check_resumed(before, tmp_path)


def test_an_export_is_imported_and_reported(tmp_path: Path) -> None:
    sweep(tmp_path, "import", str(WRITTEN / "export.json"))
    imported = read_stored("small", tmp_path / "sweeps")[1].results()
    assert without_runs(imported) == without_runs(undisturbed())
    assert "small: finished" in sweep(tmp_path, "status", "small")
    sweep(tmp_path, "report", "small")
    again = SweepResults.from_json((tmp_path / "sweeps/small/report/results.json").read_text(encoding="utf-8"))
    assert again == imported


def test_results_are_written_as_they_were_but_for_the_fields_that_are_new() -> None:
    text = undisturbed().to_json()
    new = {"recipe": "fine_tune", **{name: TrialConfig.model_fields[name].default for name in PUBLISHED}}
    for field, value in new.items():
        text = text.replace(f'"{field}": {json.dumps(value)}, ', "")
    assert text == (WRITTEN / "results.json").read_text(encoding="utf-8")
