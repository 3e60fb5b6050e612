"""Does a kept classifier do what its card says? Many small files, drawn from large data sets, are refitted.

    python -m tests.benchmarks.refits frozen --data DIR
    python -m tests.benchmarks.refits trained --data DIR

`frozen`: each file is searched, confirmed and refitted as a sweep does, with classifiers on the frozen embeddings of
all-MiniLM-L6-v2, which are computed once. The accuracy that the card states is compared with the accuracy of the kept
classifier on all rows that the file does not have, where classes are as frequent as in the file. So are the
probabilities before and after the temperature. `trained`: the same of few files with an encoder that is trained, for
the probabilities alone. Kept in `tests/benchmarks/results/refits.json`.

Shapes: N rows of the large data set, T of a file, M that it does not have, C classes, D embedding size.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from sweep.refitting.expected import expected_score
from sweep.verdict.crossed import crossed_summary
from tests.benchmarks.small_files import Large, looked_up
from trainable.calibration import Calibration, calibration_error
from trainable.config import DatasetConfig, TrialConfig
from trainable.dataset_config import FEW_ROWS
from trainable.datasets import load
from trainable.draws import CONFIRMATION_START
from trainable.evaluation.metrics import cross_entropy
from trainable.recipes import RECIPES
from trainable.refitting import refit
from trainable.training import replicates

__all__ = ["RESULTS", "SETTINGS", "Run", "Setting", "refitted", "table"]

RESULTS = Path(__file__).parent / "results" / "refits.json"
DRAWS, SEARCH_DRAWS = 8, 2
CONFIGURATIONS: Mapping[str, Mapping[str, Any]] = {
    "logistic_regression": {"head": "logistic_regression", "C": 10.0},
    "centroid": {"head": "centroid"},
    "neighbours 1": {"head": "neighbours", "neighbours": 1},
    "neighbours 5": {"head": "neighbours", "neighbours": 5},
}

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A kind of file. rows, test: labelled rows, and those of a test part of its own. shots: labels per class that are
    compared. dear: whether rows are left out as where an encoder is trained: by fewer trainings."""

    task: str
    rows: int
    shots: int | str
    test: int = 0
    dear: bool = False

    @property
    def name(self) -> str:
        """`trec, 100 rows, 8 per class`, and what is special."""
        special = [f"test part of {self.test}"] if self.test else []
        special += ["left out as of a trained encoder"] if self.dear else []
        shots = "all" if self.shots == "all" else f"{self.shots} per class"
        return ", ".join([self.task, f"{self.rows} rows", shots, *special])


SETTINGS = (
    Setting(task="trec", rows=60, shots="all"),
    Setting(task="trec", rows=60, shots=4),
    Setting(task="trec", rows=200, shots=8),
    Setting(task="trec", rows=480, shots=8),
    Setting(task="trec", rows=100, shots=8, test=100),
    Setting(task="trec", rows=100, shots=8, dear=True),
    Setting(task="trec", rows=240, shots=8, dear=True),
    Setting(task="cr", rows=60, shots=4),
    Setting(task="cr", rows=200, shots=8),
    Setting(task="support", rows=80, shots=4),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one file gave with one way to choose the configuration. As shares; losses in nats.

    stated, confirmed: mean, low and high of the card's interval, and of the verdict's.
    true: the accuracy of the kept classifier on rows that the file does not have.
    temperature: which was fitted.
    losses, errors: negative log-likelihood and calibration error there, before and after the temperature.
    """

    stated: tuple[float, float, float]
    confirmed: tuple[float, float, float]
    true: float
    temperature: float
    losses: tuple[float, float]
    errors: tuple[float, float]


def refitted(large: Large, setting: Setting, rng: np.random.Generator, folder: Path) -> Iterator[tuple[str, Run]]:
    """Refit one file: with one configuration, and with the one that a search on the same file chooses."""
    rows_N = large.chosen(setting.rows + setting.test, rng)
    file_T, test_T = rows_N[: setting.rows], rows_N[setting.rows :]
    large.write(file_T, folder / "file.csv")
    large.write(test_T, folder / "test.csv")
    load.cache_clear()
    few = setting.rows < FEW_ROWS and not setting.test
    data = {"name": "file", "path": str(folder / "file.csv"), "holdout": "repeated" if few else "fixed"}
    if setting.test:
        data["test_path"] = str(folder / "test.csv")
    configs = {name: _config(data, setting, recipe) for name, recipe in CONFIGURATIONS.items()}
    scores = {name: _searched(config) for name, config in configs.items()}
    best = max(scores, key=lambda name: scores[name])
    first = next(iter(configs))
    runs = {name: _run(large, configs[name], rows_N, dear=setting.dear) for name in {first, best}}
    yield first, runs[first]
    yield f"chosen of {len(configs)}", runs[best]


def _config(data: Mapping[str, str], setting: Setting, recipe: Mapping[str, Any]) -> TrialConfig:
    fields = {"dataset": data, "shots": setting.shots, "encoder": "all-MiniLM-L6-v2", "embedding": "mean"}
    validation = {"validation": 60 if setting.rows > FEW_ROWS else "cross"}
    return TrialConfig.model_validate(fields | validation | {"recipe": {"name": "frozen", **recipe}})


def _searched(config: TrialConfig) -> float:
    found = list(replicates(config.model_copy(update={"replicates": SEARCH_DRAWS}), draws=range(SEARCH_DRAWS)))
    return float(np.mean([each.metrics["val_accuracy"] for each in found]))


def _run(large: Large, config: TrialConfig, rows_T: Labels, *, dear: bool) -> Run:
    entry = replace(RECIPES["frozen"], embeds_once=not dear)
    with patch("trainable.refitting.RECIPES", {**RECIPES, "frozen": entry}):
        kept = refit(config)
    assert kept.answers is not None, "every class has rows to be left out"
    assert kept.calibration is not None, "likewise"
    stated = expected_score("accuracy", kept.answers, len(large.class_names))
    others_M = np.setdiff1d(np.arange(len(large.labels_N)), rows_T)
    scores_MC = (
        (kept.classifier.scores([large.texts[row] for row in others_M]) / kept.classifier.temperature).double().numpy()
    )
    return Run(
        stated=(stated.mean, stated.low, stated.high),
        confirmed=_confirmed(config),
        true=_true(scores_MC, large.labels_N[others_M], large.labels_N[rows_T]),
        temperature=kept.calibration.temperature,
        **_calibration(scores_MC, large.labels_N[others_M], kept.calibration),
    )


def _true(scores_MC: Floats, labels_M: Labels, labels_T: Labels) -> float:
    """The accuracy where classes are as frequent as in the file."""
    right_M = scores_MC.argmax(axis=1) == labels_M
    shares_C = np.bincount(labels_T) / len(labels_T)
    return float(sum(share * right_M[labels_M == label].mean() for label, share in enumerate(shares_C)))


def _calibration(scores_MC: Floats, labels_M: Labels, fitted: Calibration) -> dict[str, tuple[float, float]]:
    both = (scores_MC * fitted.temperature, scores_MC)
    before, after = (cross_entropy(each, labels_M) for each in both)
    errors = [calibration_error(each, labels_M) for each in both]
    return {"losses": (before, after), "errors": (errors[0], errors[1])}


def _confirmed(config: TrialConfig) -> tuple[float, float, float]:
    """Mean and interval of a verdict, of draws that test parts of their own or all of a test part."""
    data = load(config.dataset)
    right_NT = np.full((DRAWS, len(data.test)), np.nan)
    draws = [CONFIRMATION_START + number for number in range(DRAWS)]
    for place, found in enumerate(replicates(config.model_copy(update={"replicates": DRAWS}), draws, part="test")):
        assert found.predicted is not None, found.detail
        tested = np.array(found.tested, dtype=np.int64) if found.tested else np.arange(len(data.test))
        right_NT[place, tested] = found.predicted.judged == data.test.labels_N[tested]
    found_summary = crossed_summary(right_NT)
    return found_summary.mean, found_summary.low, found_summary.high


def table(runs: Mapping[str, Mapping[str, Sequence[Run]]]) -> dict[str, Any]:
    """By setting, and all of them together, and way to choose: how often the card's interval, and the verdict's, hold
    the true accuracy, in %, how far the card's reaches to either side and is off on average, in points; and the
    probabilities out of sample."""
    together: dict[str, list[Run]] = {}
    for by_way in runs.values():
        for way, found in by_way.items():
            together.setdefault(way, []).extend(found)
    every = {**runs, "all": together}
    return {name: {way: _row(found) for way, found in by_way.items()} for name, by_way in every.items()}


def _row(runs: Sequence[Run]) -> dict[str, float]:
    true_F = np.array([run.true for run in runs])
    stated_F3, confirmed_F3 = (
        np.array(list(parts)) for parts in zip(*((run.stated, run.confirmed) for run in runs), strict=True)
    )
    losses_F2, errors_F2 = np.array([run.losses for run in runs]), np.array([run.errors for run in runs])
    share = _held(stated_F3, true_F)
    return {
        "files": len(runs),
        "held": round(100 * share, 1),
        "standard_error": round(100 * float(np.sqrt(share * (1 - share) / len(runs))), 1),
        "reach": round(50 * float((stated_F3[:, 2] - stated_F3[:, 1]).mean()), 1),
        "off": round(100 * float((stated_F3[:, 0] - true_F).mean()), 1),
        "true": round(100 * float(true_F.mean()), 1),
        "held_by_verdict": round(100 * _held(confirmed_F3, true_F), 1),
        "temperature": round(float(np.median([run.temperature for run in runs])), 3),
        "loss_before": round(float(losses_F2[:, 0].mean()), 3),
        "loss_after": round(float(losses_F2[:, 1].mean()), 3),
        "loss_fell": round(100 * float((losses_F2[:, 1] < losses_F2[:, 0]).mean()), 1),
        "error_before": round(100 * float(errors_F2[:, 0].mean()), 1),
        "error_after": round(100 * float(errors_F2[:, 1].mean()), 1),
    }


def _held(interval_F3: Floats, true_F: Floats) -> float:
    return float(((interval_F3[:, 1] <= true_F) & (true_F <= interval_F3[:, 2])).mean())


def measured(folder: Path, files: Iterable[int]) -> Iterator[tuple[Setting, str, Run]]:
    """Refit the files of these numbers of each setting, one of each in turn."""
    tasks = {task: Large.of_task(task, folder) for task in dict.fromkeys(each.task for each in SETTINGS)}
    with tempfile.TemporaryDirectory() as scratch:
        for number in files:
            for place, setting in enumerate(SETTINGS):
                rng = np.random.default_rng([number, place])
                with looked_up(tasks[setting.task]):
                    for way, run in refitted(tasks[setting.task], setting, rng, Path(scratch)):
                        yield setting, way, run


def trained(folder: Path, files: int, steps: int) -> dict[str, Any]:
    """Fine-tune the encoder on so many files of 48 rows of each task; the losses on 200 rows that they do not have."""
    found: dict[str, Any] = {}
    for task in ("support", "trec", "cr"):
        rows, runs = Large.of_task(task, folder), []
        for number in range(files):
            rng = np.random.default_rng([number, 99])
            file_T = rows.chosen(48, rng)
            others_M = rng.choice(np.setdiff1d(np.arange(len(rows.labels_N)), file_T), 200, replace=False)
            with tempfile.TemporaryDirectory() as scratch:
                rows.write(file_T, Path(scratch) / "file.csv")
                dataset = DatasetConfig(name="file", path=f"{scratch}/file.csv", holdout="repeated")
                fields = {"dataset": dataset, "shots": 4, "encoder": "all-MiniLM-L6-v2", "embedding": "mean"}
                training = {"steps": steps, "evaluations": 1, "encoder_lr": 2e-4, "head": "centroid", "batch_size": 16}
                kept = refit(TrialConfig.model_validate({**fields, **training, "validation": "cross"}))
            assert kept.calibration is not None, "every class has rows to be left out"
            scores = kept.classifier.scores([rows.texts[row] for row in others_M]) / kept.classifier.temperature
            losses = _calibration(scores.double().numpy(), rows.labels_N[others_M], kept.calibration)["losses"]
            runs.append(
                {"temperature": round(kept.calibration.temperature, 3), "losses": [round(x, 3) for x in losses]}
            )
            print(task, runs[-1], flush=True)
        found[task] = runs
    return found


def main() -> None:
    """Measure and keep it."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.refits", description=__doc__)
    parser.add_argument("what", choices=("frozen", "trained"))
    parser.add_argument("--data", type=Path, required=True, help="folder of SentEval's tasks")
    parser.add_argument("--files", type=int, help="of each setting or task (default: 300 or 3)")
    parser.add_argument("--steps", type=int, default=20, help="of a training of the encoder")
    options = parser.parse_args()
    stored = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    if options.what == "trained":
        stored["trained"] = trained(options.data, options.files or 3, options.steps)
    else:
        runs: dict[str, dict[str, list[Run]]] = {}
        for setting, way, run in measured(options.data, range(options.files or 300)):
            runs.setdefault(setting.name, {}).setdefault(way, []).append(run)
        stored["frozen"] = table(runs)
    RESULTS.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(stored, indent=1))


if __name__ == "__main__":
    main()
