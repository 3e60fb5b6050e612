"""From the search to the verdict, as a person gets it: real Ray, real MLflow, real processes, a tiny encoder."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweep.ledger.stored import read_stored
from sweep.records.results import SweepResults
from sweep.tracking.store import open_client
from tests.integration.test_sweep import User, user, wait_for
from tests.services.waiting import TIME_LIMIT
from trainable.draws import CONFIRMATION_START
from trainable.outcomes import Outcome

__all__ = ["user"]  # a fixture


CONFIRM = {"draws": 3, "reseeded": 1, "finalists": 2, "finalist_draws": 1}


def results(user: User) -> SweepResults:
    return read_stored("toy", user.folder / "sweeps")[1].results()


def replicates(user: User) -> int:
    journal = user.folder / "sweeps" / "toy" / "ledger.journal"
    return journal.read_bytes().count(b'"replicate/') if journal.exists() else 0


def test_a_sweep_ends_with_a_verdict_a_report_and_its_runs(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    user.write(confirm=CONFIRM)
    output = user.run()
    assert "Traceback" not in output
    found = results(user)
    confirmed = {each.cell: each for each in found.confirmations if each.role == "confirmation"}
    assert set(confirmed) == {"films/4/cross_entropy", "films/4/soft_triple"}
    for record in confirmed.values():
        assert record.outcome is Outcome.COMPLETED
        draws = sorted((each.evaluation.draw, each.evaluation.initialisation) for each in record.replicates)
        first = CONFIRMATION_START
        assert draws == [(first, 0), (first, 1), (first + 1, 0), (first + 2, 0)]
        for each in record.replicates:
            data = found.sweep.data["films"]
            assert sum(map(sum, each.evaluation.confusion)) == data.test / data.folds  # a draw tests its own part
            assert {"test_accuracy", "test_nearest_accuracy", "test_neighbours_accuracy", "test_mixture_accuracy"} <= {
                *each.evaluation.metrics
            }

    assert "films, 4 labels per class: " in output
    page = user.folder / "sweeps" / "toy" / "report" / "report.html"
    verdict = json.loads((page.parent / "verdict.json").read_text())
    assert verdict["comparisons"][0]["sentence"] in output
    assert page.is_file()
    assert str(page.relative_to(user.folder)) in output

    runs = user.mlflow_runs()
    roles = [run.data.tags["sweep.role"] for run in runs]
    assert roles.count("confirmation") == 2
    assert {run.info.status for run in runs} == {"FINISHED"}
    parent = next(run for run in runs if run.data.tags["sweep.role"] == "sweep")
    assert parent.data.metrics["confirmed/films/4/soft_triple"] == pytest.approx(
        verdict["comparisons"][0]["arms"][1]["summary"]["mean"]
    )
    client = open_client(f"sqlite:///{user.folder}/mlflow.db")
    monkeypatch.chdir(user.folder)
    assert {"report/report.html", "report/results.json", "report/table.tex"} <= {
        each.path for each in client.list_artifacts(parent.info.run_id, "report")
    }

    again = user.run()
    assert "nothing was trained" in again
    assert results(user).confirmations == found.confirmations

    report = user.folder / "sweeps" / "toy" / "report"
    report.rename(user.folder / "report")
    report.write_text("a file in the way")
    assert "could not be written" in user.run(code=1)
    report.unlink()
    (user.folder / "report").rename(report)

    elsewhere = user.folder / "elsewhere"
    (user.folder / "sweeps").rename(user.folder / "gone")  # only MLflow is left
    process = user.start("report", "toy", "--mlflow", "--out", str(elsewhere))
    rebuilt, errors = process.communicate(timeout=TIME_LIMIT)
    assert process.returncode == 0, rebuilt + errors
    for name in ("report.html", "verdict.json", "table.md"):
        assert (elsewhere / name).read_bytes() == (user.folder / "gone" / "toy" / "report" / name).read_bytes()


def test_a_driver_killed_in_a_confirmation_loses_no_replicate(user: User) -> None:
    user.write(confirm={"draws": 6, "reseeded": 0}, budget={"trials_per_cell": 1})
    process = user.start("run", "spec.yaml")
    wait_for(lambda: replicates(user) >= 3, process)
    process.kill()
    process.communicate()
    before = results(user)
    assert any(each.outcome is None for each in before.confirmations)
    user.run()
    after = {each.key: each for each in results(user).confirmations}
    for record in before.confirmations:
        assert after[record.key].replicates[: len(record.replicates)] == record.replicates
    for record in after.values():
        assert sorted(each.evaluation.draw - CONFIRMATION_START for each in record.replicates) == list(range(6))
    statuses = {run.info.status for run in user.mlflow_runs()}
    assert statuses == {"FINISHED"}


def test_the_search_never_sees_the_test_rows(user: User, toy_csv: Path) -> None:
    """The same sweep over a dataset whose test part is poisoned: each search score is the same to the last digit."""
    with toy_csv.open() as file:
        rows = list(csv.DictReader(file))
    flipped = {"bad": "good", "good": "bad"}
    searches: list[Any] = []
    tests: list[Any] = []
    for poisoned in (False, True):
        folder = user.folder / f"poisoned-{poisoned}"
        folder.mkdir()
        test = [
            {"text": f"so {row['text']}" if poisoned else row["text"], "label": flipped[row["label"]]}
            if poisoned
            else row
            for row in rows[:16]
        ]
        for name, part in {"train": rows[16:], "test": test}.items():
            with (folder / f"{name}.csv").open("w", newline="") as file:
                writer = csv.DictWriter(file, ["text", "label"])
                writer.writeheader()
                writer.writerows(part)
        spec = yaml.safe_load((user.folder / "spec.yaml").read_text())
        data = {"path": str(folder / "train.csv"), "test_path": str(folder / "test.csv")}
        spec |= {"datasets": {"films": data}, "confirm": {"draws": 2, "reseeded": 0}, "budget": {"concurrency": 1}}
        spec["budget"]["trials_per_cell"] = 2
        (folder / "spec.yaml").write_text(yaml.safe_dump(spec))
        own = User(folder)
        own.run()
        found = results(own)
        searches.append([(t.key, t.params, t.outcome, [each.score for each in t.evaluations]) for t in found.trials])
        tests.append([each.evaluation.metrics["test_accuracy"] for c in found.confirmations for each in c.replicates])
    assert searches[0] == searches[1]
    assert tests[0] != tests[1]
