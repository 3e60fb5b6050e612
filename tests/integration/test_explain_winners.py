"""A finished sweep, its best arm explained as `explain: true` asks for, and the pages in MLflow: without Ray, since the
trials are recorded here one after the other."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from sweep.cli.commands import main
from sweep.explain import explain_winners
from sweep.ledger.directory import SweepDirectory
from sweep.ledger.ledger import Ledger
from sweep.ledger.provenance import data_records, environment
from sweep.ledger.stored import open_ledger, read_stored
from sweep.records.confirmation import Role
from sweep.records.sweep import SweepState
from sweep.spec.cells import Cell, cells
from sweep.spec.inputs import digest_inputs
from sweep.spec.reader import load_spec
from sweep.stored import sync_stored
from trainable.draws import CONFIRMATION_START
from trainable.outcomes import Outcome
from trainable.training import replicates

pytestmark = pytest.mark.slow

DRAWS = range(CONFIRMATION_START, CONFIRMATION_START + 3)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory, toy_csv: Path, tiny_bert: Path) -> SweepDirectory:
    """The folder of a finished sweep of two methods."""
    place = tmp_path_factory.mktemp("winners")
    spec = load_spec(
        {
            "name": "mine",
            "datasets": {"toy": {"path": str(toy_csv)}},
            "compare": {"dataset": ["toy"], "shots": [4], "recipe": ["frozen", "fine_tune"], "loss": ["soft_triple"]},
            "trial": {"encoder": str(tiny_bert), "embedding": "mean", "encoder_lr": 1e-3},
            "protocol": {"replicates": 1, "validation": 8, "steps": 4, "evaluations": 1},
            "budget": {"trials_per_cell": 1, "concurrency": 1},
            "confirm": {"draws": len(DRAWS), "reseeded": 0},
            "explain": True,
            "tracking": {"uri": f"sqlite:///{place}/mlflow.db"},
        }
    )
    directory = SweepDirectory(place / "sweeps" / "mine")
    directory.create()
    directory.write_spec(yaml.safe_dump(spec.resolved(), sort_keys=False))
    grid, ledger = cells(spec), open_ledger(spec, directory, write=True)
    ledger.begin(spec.resolved(), grid, environment(), data_records(grid), digest_inputs(grid))
    for cell in grid:
        confirm(ledger, cell)
    ledger.end(SweepState.FINISHED)
    return directory


def confirm(ledger: Ledger, cell: Cell) -> None:
    """Search a cell by one trial, and confirm it."""
    trial = ledger.ask(cell, seed=0, budget=1)
    for evaluation in replicates(trial.config):
        ledger.record(trial.key, evaluation)
    trial = ledger.finish(trial.key, Outcome.COMPLETED)
    record = ledger.begin_confirmation(trial, Role.CONFIRMATION, trial.config.model_copy(update={"evaluations": 1}))
    for evaluation in replicates(record.config, DRAWS, part="test"):
        ledger.count_attempt(record.key, f"{evaluation.draw}.0")
        ledger.record_replicate(record.key, evaluation)
    ledger.finish_confirmation(record.key, Outcome.COMPLETED)


def test_the_ledger_keeps_how_sure_each_draw_was_and_an_export_brings_it_along(
    directory: SweepDirectory, tmp_path: Path
) -> None:
    _, ledger = read_stored(str(directory.path), directory.path.parent)
    kept = {record.key: [each.evaluation for each in record.replicates] for record in ledger.confirmations()}
    assert len(kept) == 2
    for evaluations in kept.values():
        for found in evaluations:
            assert found.confidences is not None
            assert found.confidences.temperature is not None
            assert {"confidence", "tempered_true", "margin"} <= set(found.confidences.names)
    assert all("geometry_proxies_used" in found.metrics for found in kept["toy/4/soft_triple#confirmation-0"])
    file = tmp_path / "mine.json"
    assert main(["export", "mine", str(file), "--dir", str(directory.path.parent)]) == 0
    assert main(["import", str(file), "--dir", str(tmp_path / "other")]) == 0
    _, other = read_stored("mine", tmp_path / "other")
    assert [each.replicates for each in other.confirmations()] == [each.replicates for each in ledger.confirmations()]


def test_the_best_arm_is_explained_and_the_page_lies_in_mlflow(directory: SweepDirectory) -> None:
    assert explain_winners(directory) == ()
    (folder,) = directory.explained()
    with (folder / "reliability.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["method"] for row in rows} == {"frozen", "soft_triple"}
    assert {row["scores"] for row in rows} == {"as it is", "with temperature"}
    assert json.loads((folder / "geometry.json").read_text(encoding="utf-8"))[0]["method"] == "before training"
    assert len(list((folder / "figures").glob("*.png"))) == 6
    sync_stored("mine", directory.path.parent)
    spec, _ = read_stored("mine", directory.path.parent)
    client = MlflowClient(spec.tracking.uri)
    experiments = [each.experiment_id for each in client.search_experiments()]
    (run,) = client.search_runs(experiments, "tags.`sweep.role` = 'sweep'")
    stored = {each.path for each in client.list_artifacts(run.info.run_id, f"explain/{folder.name}")}
    assert {f"explain/{folder.name}/{name}" for name in ("explain.html", "reliability.csv", "figures")} <= stored
    (confirmed, *_) = client.search_runs(experiments, "tags.`sweep.role` = 'confirmation'")
    assert "confidences.json" in {each.path for each in client.list_artifacts(confirmed.info.run_id)}


def test_an_arm_that_cannot_be_explained_leaves_the_others(directory: SweepDirectory, tmp_path: Path) -> None:
    text = directory.spec.read_text(encoding="utf-8")
    try:
        directory.spec.write_text(text.replace("toy", "boy"), encoding="utf-8")
        (said,) = explain_winners(directory)
    finally:
        directory.spec.write_text(text, encoding="utf-8")
    assert "is not explained: " in said
