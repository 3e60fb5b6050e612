"""The figures of the pages are those of the kept results, for tables that no command prints as they stand there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tests.benchmarks import fields, next_labels
from tests.benchmarks.correctness import read
from tests.services.documents import text_of

RESULTS = Path(__file__).parent / "results"
BENCHMARKS, VERDICT, EXPLAIN = "tests/benchmarks/README.md", "sweep/verdict/README.md", "sweep/explain/README.md"


def kept(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def rows(page: str, first: str) -> list[list[str]]:
    """The cells behind the first of each line of a table that begins with `first`."""
    lines = text_of(page).replace("−", "-").splitlines()
    return [line.strip("| ").split(" | ")[1:] for line in lines if line.startswith(f"| {first} |")]


FIFTY = {
    "frozen, centroid": "centroid",
    "frozen, 3 neighbours": "neighbours",
    "frozen, logistic regression": "logistic_regression",
    "frozen, linear SVM": "linear_svm",
    "centroid - neighbours": "centroid - neighbours",
    "centroid - logistic regression": "centroid - logistic_regression",
    "centroid - SVM": "centroid - linear_svm",
    "neighbours - logistic regression": "neighbours - logistic_regression",
    "neighbours - SVM": "neighbours - linear_svm",
    "logistic regression - SVM": "logistic_regression - linear_svm",
    "the one that cross-validation chose of 6": "chosen of 6",
}


@pytest.mark.parametrize("title", FIFTY)
def test_intervals_from_fifty_labels(title: str) -> None:
    both = [kept("fifty_labels")[shots][FIFTY[title]] for shots in ("all", "4")]
    shown = [
        cell
        for each in both
        for cell in (
            f"{each['held']} ({each['standard_error']})",
            f"{each['width'] / 2:.0f}",
            f"{each['off']:+.1f}" if each["off"] else f"{each['off']:.1f}",
        )
    ]
    lines = text_of(VERDICT).replace("−", "-").splitlines()
    assert [line.strip("| ").split(" | ")[1:] for line in lines if line.startswith(f"| {title} |")] == [shown]


def test_trainings_in_looks_on_average() -> None:
    found = kept("looks")
    simulated = [found[f"simulated, {each}"] for each in ("8 points", "3 points", "equally good, alike")]
    shares = [np.mean([each[design]["trainings"] for each in simulated]) for design in simulated[0]]
    assert rows(VERDICT, "the three on average: trainings") == [[f"{100 * share:.0f}" for share in shares]]


@pytest.mark.lengthy
def test_the_real_tasks_have_as_many_test_rows_as_is_said() -> None:
    sizes = {len(next(iter(methods.values()))[0]) for methods in read().values()}
    assert sizes == {1345, 941}
    assert "The real tasks have 1,345 and 941 test\nrows" in text_of(VERDICT)


def test_what_commands_take_after_a_large_sweep() -> None:
    shown = [
        ", ".join(f"{kept(name)['commands'][command]['processor']:.1f}" for command in ("status", "report", "export"))
        for name in ("driver_mlflow", "driver", "driver_ledger")
    ]
    assert rows(BENCHMARKS, "`status`, `report`, `export`") == [[f"{each} s" for each in shown]]


@pytest.mark.parametrize(("labels", "loss"), [(20, "cross_entropy"), (20, "soft_triple"), (100, "soft_triple")])
def test_steps_on_a_gpu(labels: int, loss: str) -> None:
    def step(costs: str) -> str:
        each: Mapping[str, Any]
        (each,) = (
            each
            for each in kept("gpu")[costs]
            if (each["loss"], each["labels"], each["precision"]) == (loss, labels, "bf16")
        )
        return f"{each['step_ms']:.0f} ms"

    ((eager, captured, *_),) = rows(BENCHMARKS, f"{labels}, {loss}")
    assert (eager, captured) == (step("costs_without_graphs"), step("costs"))


def test_setfit_beside_the_fields_of_a_training() -> None:
    found = [each for each in fields.read(fields.RESULTS) if each.method == "setfit"]
    shown = [
        f"{100 * np.mean([each.accuracy for each in found if each.task == task]):.1f}" for task in ("trec/8", "cr/8")
    ]
    seconds = np.mean([each.seconds for each in found if each.task == "trec/8"])
    assert rows(BENCHMARKS, "SetFit 1.2, its defaults") == [[*shown, f"{seconds:.0f}"]]


def test_what_labels_at_random_bring() -> None:
    found = json.loads(next_labels.RESULTS.read_text(encoding="utf-8"))
    brought = [100 * (np.mean(each["random"]) - np.mean(each["none"])) for each in found.values()]
    assert f"themselves bring {min(brought):.1f} to {max(brought):.1f} points" in text_of(EXPLAIN)


def test_how_well_one_draw_ranks_configurations() -> None:
    found = {}
    for task in ("cr", "trec"):
        cells = [each["scores"] for name, each in kept("rungs")["cells"].items() if name.startswith(f"{task}/")]
        scores_TR = np.array([trial for cell in cells for trial in cell])[:, :, -1]
        taus = [
            stats.kendalltau(scores_TR[:, draw], np.delete(scores_TR, draw, axis=1).mean(axis=1)).statistic
            for draw in range(scores_TR.shape[1])
        ]
        found[task] = f"{np.mean(taus):.1f}"
    assert f"is {found['cr']} on CR and {found['trec']} on TREC" in " ".join(text_of("sweep/README.md").split())
