"""Fifty labelled rows in one csv, and nothing else: a sweep ends in a verdict over all of them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from sweep.cli.commands import main
from tests.sweeps.tiny_task import TinyTask
from trainable.datasets.loader import EMBEDDED

pytestmark = pytest.mark.slow

COUNTS = {"refund_status": 16, "cancel_order": 17, "account_access": 12, "payment_problem": 5}


def written(path: Path) -> None:
    """Rows of four classes of the embedded data, one of them rare."""
    lines = (EMBEDDED / "support" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    chosen = [row for name, count in COUNTS.items() for row in [row for row in rows if row["label"] == name][:count]]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *((row["text"], row["label"]) for row in chosen)])


def test_fifty_labels_end_in_a_verdict_over_all_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path / "mine.csv")
    spec = {
        "datasets": {"mine": {"path": str(tmp_path / "mine.csv")}},
        "compare": {"dataset": "mine", "shots": ["at most 8", "all"], "recipe": ["frozen", "label_names"]},
        "trial": {"encoder": "all-MiniLM-L6-v2"},
        "budget": {"trials_per_cell": 4, "concurrency": 1},
        "confirm": {"draws": 8, "reseeded": 0},
        "resources": {"gpu": 0},
        "tracking": {"uri": f"sqlite:///{tmp_path}/mlflow.db"},
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    assert main(["plan", str(tmp_path / "mine.yaml"), "--no-timing"]) == 0
    planned = capsys.readouterr().out
    assert "no test part: each draw holds out its own 1 of 4 of the 50 rows to test on" in planned
    assert "shots at most 8: draws have fewer training rows of `payment_problem`" in planned
    assert "mine: 50 labels tell an accuracy of 80 % to within 14 points" in planned
    assert "stay unseen (2 tests)" in planned

    assert main(["run", str(tmp_path / "mine.yaml"), "--dir", str(tmp_path / "sweeps")]) == 0
    report = tmp_path / "sweeps" / "mine" / "report"
    verdict = json.loads((report / "verdict.json").read_text(encoding="utf-8"))
    assert [comparison["shots"] for comparison in verdict["comparisons"]] == ["at most 8", "all"]
    for comparison in verdict["comparisons"]:
        for arm in comparison["arms"]:
            tested = np.array(arm["confusion"]).sum(axis=1)
            assert tested.tolist() == [2 * COUNTS[name] for name in sorted(COUNTS)], "8 draws test each row twice"
            assert arm["summary"]["low"] < arm["summary"]["mean"] < arm["summary"]["high"]
    assert "cross-validation" in verdict["selection"]

    assert (
        main(
            [
                "refit",
                "mine",
                "--dir",
                str(tmp_path / "sweeps"),
                "--arm",
                "mine/all/frozen",
                "--out",
                str(tmp_path / "kept"),
            ]
        )
        == 0
    )
    card = (tmp_path / "kept" / "README.md").read_text(encoding="utf-8")
    assert "In the comparison it was confirmed at" in card
    assert "on 8 draws and 50 test rows" in card
    assert "on 50 rows, each answered by a training like its own" in " ".join(card.split())


def test_fine_tuning_is_selected_by_cross_validation_too(tmp_path: Path) -> None:
    """Each fold trains an encoder of its own, so that every labelled row of a draw is scored once by one that has not
    seen it."""
    task = TinyTask(tmp_path)
    task.write()
    task.write_spec(
        tmp_path / "films.yaml",
        "films",
        compare={"dataset": ["films"], "shots": [6], "recipe": ["frozen", "fine_tune"], "loss": ["cross_entropy"]},
        protocol={"replicates": 1, "evaluations": 1, "steps": 6, "validation": "cross"},
        budget={"trials_per_cell": 2},
        confirm={"draws": 4, "reseeded": 0},
        tracking={"uri": f"sqlite:///{tmp_path}/mlflow.db"},
    )
    assert main(["run", str(tmp_path / "films.yaml"), "--dir", str(tmp_path / "sweeps")]) == 0
    report = tmp_path / "sweeps" / "films" / "report"
    verdict = json.loads((report / "verdict.json").read_text(encoding="utf-8"))
    assert "cross-validation" in verdict["selection"]
    (comparison,) = verdict["comparisons"]
    assert [arm["method"] for arm in comparison["arms"]] == ["frozen", "cross_entropy"]
    for arm in comparison["arms"]:
        assert np.array(arm["confusion"]).sum() == 54, "four draws test each row once"
        assert arm["selection_score"] * 12 == pytest.approx(round(arm["selection_score"] * 12)), "of twelve rows"
