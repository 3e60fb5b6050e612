"""What the cards of kept classifiers state: what was measured on real files, and the program that measures it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.benchmarks.refits import CONFIGURATIONS, RESULTS, SETTINGS, Run, Setting, refitted, table
from tests.benchmarks.small_files import Large, looked_up

LEAST, MOST = 93.0, 97.5


def kept() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return found


def test_the_stated_interval_holds_the_accuracy_as_often_as_it_says() -> None:
    frozen = kept()["frozen"]
    ways = {"logistic_regression", f"chosen of {len(CONFIGURATIONS)}"}
    together = frozen.pop("all")
    assert set(frozen) == {setting.name for setting in SETTINGS}
    for way in ways:
        noise = 2 * together[way]["standard_error"]
        assert together[way]["files"] >= 1000
        assert LEAST - noise <= together[way]["held"] <= MOST + noise, way
        assert together[way]["held_by_verdict"] < 80, "of another number of labels"
    for name, by_way in frozen.items():
        assert set(by_way) == ways
        for found in by_way.values():
            assert LEAST - 3 * found["standard_error"] <= found["held"], name


def test_the_temperature_lowers_the_loss_on_rows_that_the_file_does_not_have() -> None:
    frozen, trained = kept()["frozen"], kept()["trained"]
    better = set()
    for setting in SETTINGS:
        by_way = frozen[setting.name].values()
        if all(found["loss_after"] < found["loss_before"] for found in by_way):
            better.add(setting.task)
    assert better == {"trec", "cr", "support"}
    losses = {task: np.mean([run["losses"] for run in runs], axis=0) for task, runs in trained.items()}
    assert sum(after < before for before, after in losses.values()) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("test", [0, 30], ids=["no test part", "a test part"])
def test_files_are_refitted_and_scored_on_rows_that_they_do_not_have(test: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels_N = np.arange(900) % 3
    centres_CD = rng.normal(size=(3, 8))
    embeddings_ND = (centres_CD[labels_N] + rng.normal(size=(900, 8))).astype(np.float32)
    texts = tuple(f"row {number}" for number in range(900))
    large = Large(texts, embeddings_ND, labels_N, ("a", "b", "c"))
    setting = Setting(task="simulated", rows=60, shots=4, test=test)
    runs: dict[str, list[Run]] = {}
    with looked_up(large):
        for number in range(4):
            for way, run in refitted(large, setting, np.random.default_rng(number), tmp_path):
                runs.setdefault(way, []).append(run)
    found = table({"simulated": runs})["simulated"]
    assert set(found) == {"logistic_regression", f"chosen of {len(CONFIGURATIONS)}"}
    for each in found.values():
        assert each["files"] == 4
        assert 40 < each["true"] < 100
        assert 4 < each["reach"] < 25
    text = (tmp_path / "file.csv").read_text(encoding="utf-8")
    assert len(text.splitlines()) == 61
