"""What a plan says of few labels before anything is trained."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from sweep.cli.plan import print_plan
from sweep.execution import machine
from sweep.spec.model import SweepSpec
from trainable.datasets import load


def planned(
    folder: Path,
    encoder: Path,
    rows: int,
    *,
    blocks: Mapping[str, object] | None = None,
    seconds: float | None = None,
    **compare: object,
) -> str:
    with (folder / "mine.csv").open("w", newline="") as file:
        every = [(f"the film number {number} is so", "abcd"[number % 4]) for number in range(rows)]
        csv.writer(file).writerows([("text", "label"), *every, ("it is rare", "e"), ("it is very rare", "e")])
    spec = {
        "name": "mine",
        "datasets": {"mine": {"path": str(folder / "mine.csv")}},
        "compare": {"dataset": "mine", "shots": "at most 8", "recipe": ["frozen", "label_names"], **compare},
        "trial": {"encoder": str(encoder)},
        **(blocks or {}),
    }
    said = StringIO()
    print_plan(Console(file=said, width=200), SweepSpec.model_validate(spec), timed=False, training_seconds=seconds)
    load.cache_clear()
    return said.getvalue()


def test_a_plan_says_what_fifty_labels_cannot_tell(tmp_path: Path, tiny_bert: Path) -> None:
    said = planned(tmp_path, tiny_bert, 48)
    near = 100 * 1.96 * np.sqrt(1.5 * 0.8 * 0.2 / 50)
    unseen = 100 * (stats.norm.isf(0.025) + stats.norm.isf(0.2)) * np.sqrt(0.25 / 0.75 / 50)
    assert f"mine: 50 labels tell an accuracy of 80 % to within {near:.0f} points" in said
    assert f"differences under {unseen:.0f} points stay unseen (1 test)" in said
    assert "mine: shots at most 8: draws have fewer training rows of `e` 1" in said
    assert "these, in turns" in said
    assert "at most 80 replicates (320 trainings)" in said


def test_a_draw_of_two_rows_of_a_class_takes_two_turns(tmp_path: Path, tiny_bert: Path) -> None:
    said = planned(tmp_path, tiny_bert, 48, shots="at most 2", blocks={"protocol": {"validation": "cross"}})
    assert "at most 80 replicates (160 trainings)" in said


@pytest.mark.parametrize(("rows", "kind"), [(398, "mine: 101 test rows tell an accuracy of 80 %"), (1700, "")])
def test_more_labels_tell_more(tmp_path: Path, tiny_bert: Path, rows: int, kind: str) -> None:
    said = planned(tmp_path, tiny_bert, rows)
    assert ("tell an accuracy of 80 %" in said) == bool(kind)
    assert kind in said
    assert ("these, in turns" in said) == bool(kind), "300 rows to draw from are few, and 1,276 are not"


def test_the_time_of_a_plan_counts_the_gpus_of_the_machine(
    tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "allotted_cpus", lambda: 16)
    monkeypatch.setattr(machine, "gpu_count", lambda: 1)
    assert "on 1 slot\n" in planned(tmp_path, tiny_bert, 48, seconds=60)
    assert "on 4 slots\n" in planned(tmp_path, tiny_bert, 48, seconds=60, blocks={"resources": {"gpu": 0.25}})


def test_each_compared_way_to_validate_has_a_line_of_its_own(tmp_path: Path, tiny_bert: Path) -> None:
    said = planned(tmp_path, tiny_bert, 48, shots="at most 2", validation=["cross", 7, 9])
    lines = [line.split() for line in said.splitlines() if "at most 2 labels" in line]
    assert [line[-1] for line in lines] == ["turns", "7", "9"]


@pytest.mark.parametrize(
    ("replicates", "said"),
    [
        (6, "pruning: wilcoxon after 4 of 6 replicates at the earliest"),
        (4, "pruning: wilcoxon at no evaluation, since it needs more than 4 replicates; received 4"),
    ],
)
def test_a_plan_says_where_wilcoxons_test_may_stop_a_trial(
    tmp_path: Path, tiny_bert: Path, replicates: int, said: str
) -> None:
    blocks = {"pruning": {"rule": "wilcoxon"}, "protocol": {"replicates": replicates}}
    assert f"{said}\n" in planned(tmp_path, tiny_bert, 48, blocks=blocks)


def test_a_plan_says_that_gpu_hours_limit_nothing_without_a_gpu(tmp_path: Path, tiny_bert: Path) -> None:
    blocks = {"budget": {"gpu_hours": 0.5}, "resources": {"gpu": 0}}
    assert "note: budget.gpu_hours limits nothing where" in planned(tmp_path, tiny_bert, 48, blocks=blocks)
    assert "gpu_hours" not in planned(tmp_path, tiny_bert, 48, blocks={**blocks, "budget": {"hours": 0.5}})
    assert "gpu_hours" not in planned(tmp_path, tiny_bert, 48, blocks={**blocks, "resources": {"gpu": 0.5}})


def test_a_plan_counts_turns_and_finalists_in_its_time(tmp_path: Path, tiny_bert: Path) -> None:
    """Each replicate of a trial is four trainings where the rows of a draw take turns to validate it."""
    blocks = {
        "search": {"label_names": {"template": "{}"}},
        "protocol": {"replicates": 2},
        "budget": {"trials_per_cell": 5, "concurrency": 1},
        "confirm": {"draws": 3, "reseeded": 0, "finalists": 3, "finalist_draws": 2},
    }
    said = planned(tmp_path, tiny_bert, 48, blocks=blocks, seconds=60, recipe=["frozen", "label_names"])
    assert "at most 12 replicates (48 trainings)" in said, "five trials of frozen, one of label_names"
    assert (
        "up to 3 tied finalists of a cell are trained on 2 further draws: at most 6 replicates (24 trainings)" in said
    )
    assert "time: 48:00 without pruning, then up to 24:00 between finalists, then 6:00 for the confirmations" in said
    few = {**blocks, "protocol": {"replicates": 2, "validation": 9}, "confirm": {"draws": 3, "reseeded": 0}}
    said = planned(tmp_path, tiny_bert, 48, blocks=few, seconds=60, shots="at most 2")
    assert "finalists" not in said
    assert "time: 12:00 without pruning, then 6:00 for the confirmations" in said
