"""A real sweep in which the answers of another system are one of the methods."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sweep.tracking.store import open_client
from tests.services.waiting import TIME_LIMIT
from trainable.config import DatasetConfig
from trainable.datasets import load

pytestmark = pytest.mark.slow


def _run(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sweep", "run", "mine.yaml"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
        check=False,
    )


def test_predictions_are_compared_with_trained_methods_and_their_cost_is_shown(
    tmp_path: Path, toy_csv: Path, tiny_bert: Path
) -> None:
    data = load(DatasetConfig(name="toy", path=str(toy_csv)))
    answers = [
        f"{text},{data.class_names[label]}" for text, label in zip(data.test.texts, data.test.labels_N, strict=True)
    ]
    (tmp_path / "answers.csv").write_text("\n".join(["text,label", *answers]) + "\n", encoding="utf-8")
    spec = {
        "datasets": {"toy": {"path": str(toy_csv), "holdout": "fixed"}},
        "compare": {"dataset": ["toy"], "shots": [2], "recipe": ["frozen", "predictions"]},
        "search": {"predictions": {"path": "answers.csv", "cost": 0.84, "seconds": 95}},
        "trial": {"encoder": str(tiny_bert), "embedding": "mean"},
        "protocol": {"replicates": 2, "validation": 8},
        "budget": {"trials_per_cell": 2, "concurrency": 1},
        "confirm": {"draws": 3, "reseeded": 1},
        "resources": {"gpu": 0},
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    ended = _run(tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (row,) = (line.split() for line in ended.stdout.splitlines() if line.startswith("toy/2/predictions  1 completed"))
    assert row[1:] == ["1", "completed", "-", "1.000", "(3", "draws)"]
    assert "unequal numbers of trials" not in ended.stdout
    page = (tmp_path / "sweeps" / "mine" / "report" / "report.html").read_text(encoding="utf-8")
    assert "0.84 USD, 95 s" in page
    client = open_client(f"sqlite:///{tmp_path}/mlflow.db")
    runs = client.search_runs([each.experiment_id for each in client.search_experiments()])
    own = [run.data for run in runs if run.data.params.get("recipe") == "predictions"]
    assert own
    assert all(data.params["recipe.cost"] == "0.84" and "encoder" not in data.params for data in own)
    assert not any("score" in data.metrics or "val_accuracy" in data.metrics for data in own)
    (tmp_path / "answers.csv").write_text("\n".join(["text,label", *answers[:-1]]) + "\n", encoding="utf-8")
    refused = _run(tmp_path)
    assert refused.returncode == 2
    assert f"every test row needs an answer; 1 of {len(data.test)} have none" in refused.stdout + refused.stderr
