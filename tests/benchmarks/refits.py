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
import csv
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray

from sweep.refitting.expected import expected_score
from sweep.verdict.crossed import crossed_summary
from trainable.calibration import Calibration, calibration_error
from trainable.classifier import Classifier, _head_scores
from trainable.config import DatasetConfig, TrialConfig
from trainable.datasets import load
from trainable.draws import CONFIRMATION_START
from trainable.embeddings import FrozenEncoder
from trainable.evaluation.metrics import cross_entropy
from trainable.recipes import RECIPES
from trainable.refitting import refit
from trainable.training import replicates

__all__ = ["RESULTS", "SETTINGS", "Large", "Run", "Setting", "looked_up", "refitted", "table"]

RESULTS = Path(__file__).parent / "results" / "refits.json"
DRAWS, SEARCH_DRAWS = 8, 2
CLASSES = {"trec": ("DESC", "ENTY", "HUM", "NUM")}
"""The classes that are used, where others are too rare for small files."""
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


@dataclass(frozen=True, slots=True)
class Large:
    """A large data set: its texts, their embeddings and their classes."""

    texts: tuple[str, ...]
    embeddings_ND: NDArray[np.float32]
    labels_N: Labels
    class_names: tuple[str, ...]

    def chosen(self, rows: int, rng: np.random.Generator) -> Labels:
        """So many rows, with classes as frequent as among all, and five of each at least."""
        shares_C = np.bincount(self.labels_N) / len(self.labels_N)
        counts_C = np.maximum(5, np.floor(shares_C * rows)).astype(np.int64)
        counts_C[int(counts_C.argmax())] += rows - counts_C.sum()
        parts = [
            rng.choice(np.flatnonzero(self.labels_N == label), count, replace=False)
            for label, count in enumerate(counts_C.tolist())
        ]
        return rng.permutation(np.concatenate(parts))


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


@contextmanager
def looked_up(large: Large) -> Iterator[None]:
    """Look the embeddings of frozen encoders up instead of computing them, also where a kept classifier answers."""
    places = {text: place for place, text in enumerate(large.texts)}

    def at(texts: Sequence[str]) -> NDArray[np.float32]:
        return large.embeddings_ND[[places[text] for text in texts]]

    def embed(self: FrozenEncoder, rows: Any, wanted_W: Labels) -> NDArray[np.float32]:
        return at([rows.texts[place] for place in wanted_W.tolist()])

    def bare(trial: Any, encoder: Any) -> Classifier:
        return Classifier(labels=trial.data.class_names, model=None, tokenizer=None, head={})

    def scores(self: Classifier, texts: Sequence[str], pairs: object = None) -> torch.Tensor:
        return _head_scores(torch.from_numpy(at(texts)), self.head, self.arrays, len(self.labels))

    with ExitStack() as patches:
        patches.enter_context(patch.object(FrozenEncoder, "embed", embed))
        patches.enter_context(patch("trainable.kept.frozen.kept_encoder", bare))
        patches.enter_context(patch.object(Classifier, "scores", scores))
        yield


def refitted(large: Large, setting: Setting, rng: np.random.Generator, folder: Path) -> Iterator[tuple[str, Run]]:
    """Refit one file: with one configuration, and with the one that a search on the same file chooses."""
    rows_N = large.chosen(setting.rows + setting.test, rng)
    file_T, test_T = rows_N[: setting.rows], rows_N[setting.rows :]
    _write(large, file_T, folder / "file.csv")
    _write(large, test_T, folder / "test.csv")
    load.cache_clear()
    data = {"name": "file", "path": str(folder / "file.csv")}
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
    few = setting.rows < 400 and not setting.test
    validation = {"validation": "cross" if few else 60}
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


def _write(large: Large, rows_T: Labels, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows([large.texts[row], large.class_names[large.labels_N[row]]] for row in rows_T.tolist())


def table(runs: Mapping[str, Mapping[str, Sequence[Run]]]) -> dict[str, Any]:
    """By setting and way to choose: how often the card's interval, and the verdict's, hold the true accuracy, in %, how
    far the card's reaches to either side and is off on average, in points; and the probabilities out of sample."""
    return {name: {way: _row(found) for way, found in by_way.items() if found} for name, by_way in runs.items()}


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


def large(task: str, folder: Path) -> Large:
    """A task with its embeddings: all its rows, each text once."""
    place = {} if task == "support" else {"path": str(folder / task.upper()), "senteval": task.upper()}
    fields = {"dataset": {"name": task, **place}, "shots": 4, "encoder": "all-MiniLM-L6-v2", "embedding": "mean"}
    config = TrialConfig.model_validate({**fields, "recipe": {"name": "frozen"}})
    data = load(config.dataset)
    frozen = FrozenEncoder.of(config, len(data.class_names))
    embeddings_ND = np.concatenate([frozen.embed_all(rows) for rows in (data.pool, data.test)])
    texts = (*data.pool.texts, *data.test.texts)
    labels_N = np.concatenate([data.pool.labels_N, data.test.labels_N])
    names = CLASSES.get(task, data.class_names)
    kept = [data.class_names.index(name) for name in names]
    _, first_N = np.unique(np.array([text.casefold() for text in texts]), return_index=True)
    rows_N = np.sort(first_N[np.isin(labels_N[first_N], kept)])
    chosen = tuple(texts[row] for row in rows_N.tolist())
    return Large(chosen, embeddings_ND[rows_N], np.searchsorted(kept, labels_N[rows_N]), tuple(names))


def measured(folder: Path, files: int) -> Iterator[tuple[Setting, str, Run]]:
    """Refit so many files of each setting, one of each in turn."""
    tasks = {task: large(task, folder) for task in dict.fromkeys(each.task for each in SETTINGS)}
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(files):
            for place, setting in enumerate(SETTINGS):
                rng = np.random.default_rng([number, place])
                with looked_up(tasks[setting.task]):
                    for way, run in refitted(tasks[setting.task], setting, rng, Path(scratch)):
                        yield setting, way, run


def trained(folder: Path, files: int, steps: int) -> dict[str, Any]:
    """Fine-tune the encoder on so many files of 48 rows of each task; the losses on 200 rows that they do not have."""
    found: dict[str, Any] = {}
    for task in ("support", "trec", "cr"):
        rows, runs = large(task, folder), []
        for number in range(files):
            rng = np.random.default_rng([number, 99])
            order_N = rows.chosen(248, rng)
            with tempfile.TemporaryDirectory() as scratch:
                _write(rows, order_N[:48], Path(scratch) / "file.csv")
                dataset = DatasetConfig(name="file", path=f"{scratch}/file.csv")
                fields = {"dataset": dataset, "shots": 4, "encoder": "all-MiniLM-L6-v2", "embedding": "mean"}
                training = {"steps": steps, "evaluations": 1, "encoder_lr": 2e-4, "head": "centroid", "batch_size": 16}
                kept = refit(TrialConfig.model_validate({**fields, **training, "validation": 8}))
            assert kept.calibration is not None, "every class has rows to be left out"
            scores = kept.classifier.scores([rows.texts[row] for row in order_N[48:]]) / kept.classifier.temperature
            losses = _calibration(scores.double().numpy(), rows.labels_N[order_N[48:]], kept.calibration)["losses"]
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
        for setting, way, run in measured(options.data, options.files or 300):
            runs.setdefault(setting.name, {}).setdefault(way, []).append(run)
        stored["frozen"] = table(runs)
    RESULTS.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(stored, indent=1))


if __name__ == "__main__":
    main()
