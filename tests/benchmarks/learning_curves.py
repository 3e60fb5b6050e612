"""Does a learning curve continue as its last doubling says? Real curves, against which `sweep.verdict.outlook` is held.

    python -m tests.benchmarks.learning_curves measure --data DIR
    python -m tests.benchmarks.learning_curves table

Two classifiers on the frozen embeddings of all-MiniLM-L6-v2, four tasks, 2 to 64 labels per class, 40 draws. Of the
test rows, 400 are kept: which of them each draw's classifier gets right, in `results/learning_curves.json`.

Shapes: K = 2 numbers of labels, N draws, T test rows.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.verdict.crossed import covariance
from sweep.verdict.learning_curve import Expected, expected_score, more_labels
from trainable.predicted_classes import PredictedClasses

__all__ = ["Prediction", "predictions", "read"]

RESULTS = Path(__file__).parent / "results" / "learning_curves.json"
TASKS = ("support", "trec", "cr", "mr")
METHODS = ("logistic_regression", "centroid")
SHOTS = (2, 4, 8, 16, 32, 64)
DRAWS = range(40_000, 40_040)
KEPT = 400

Right = NDArray[np.bool_]
Curves = dict[tuple[str, str, int], Right]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What twice the labels were said to bring, from a sample of draws and rows, and what they brought on all of them.

    last: what the doubling before brought, as shares.
    """

    curve: tuple[str, str, int]
    expected: Expected
    last: float
    real: float


def read(path: Path = RESULTS) -> Curves:
    """Return, by task, method and labels per class, right_NT: whether each draw's classifier gets each row right."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    found = {}
    for name, packed in stored.items():
        task, method, shots = name.split("/")
        by_draw = PredictedClasses.from_json(packed).by_rule()
        found[task, method, int(shots)] = np.stack(list(by_draw.values())).astype(bool)
    return found


def predictions(curves: Curves, *, samples: int, draws: int, rows: int, seed: int = 0) -> Iterator[Prediction]:
    """Yield `samples` predictions for each three neighbours of a curve, from so many of its draws and rows."""
    for curve, pair_KNT, real in _sampled(curves, 1, samples, (draws, rows), seed):
        fewer, most = pair_KNT.mean(axis=(1, 2)).tolist()
        expected = more_labels(1 - fewer, 1 - most, covariance(pair_KNT))
        gain = float(real - curves[curve].mean())
        yield Prediction(curve, expected, most - fewer, gain)


def scores(
    curves: Curves, *, doublings: int, samples: int, draws: int, rows: int, seed: int = 0
) -> Iterator[tuple[Expected, float]]:
    """Yield `samples` scores that are expected so many doublings after two neighbours of a curve, with the real."""
    for _, pair_KNT, real in _sampled(curves, doublings, samples, (draws, rows), seed):
        fewer, most = pair_KNT.mean(axis=(1, 2)).tolist()
        yield expected_score(1 - fewer, 1 - most, covariance(pair_KNT), 1, doublings), real


def _sampled(
    curves: Curves, doublings: int, samples: int, size: tuple[int, int], seed: int
) -> Iterator[tuple[tuple[str, str, int], NDArray[np.float64], float]]:
    """Yield pair_KNT of two neighbours of a curve, of so many of its draws and rows, and the real score so many
    doublings after them, on all."""
    generator = np.random.default_rng(seed)
    for (task, method, shots), most_NT in curves.items():
        fewer_NT, later_NT = curves.get((task, method, shots // 2)), curves.get((task, method, 2**doublings * shots))
        if fewer_NT is None or later_NT is None:
            continue
        for _ in range(samples):
            places = (
                generator.choice(most, min(some, most), replace=False)
                for most, some in zip(most_NT.shape, size, strict=True)
            )
            chosen = np.ix_(*places)
            pair_KNT = np.stack([fewer_NT[chosen], most_NT[chosen]]).astype(np.float64)
            yield (task, method, shots), pair_KNT, float(later_NT.mean())


def measure(data: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Fit every classifier on every draw; yield the name of each point of a curve with what is kept of it."""
    from trainable.config import TrialConfig
    from trainable.datasets import load
    from trainable.training import replicates

    for task in TASKS:
        place = {} if task == "support" else {"path": str(data / task.upper()), "senteval": task.upper()}
        for method in METHODS:
            for shots in SHOTS if task != "support" else SHOTS[:-1]:  # support has 70 rows of each class
                config = TrialConfig.model_validate(
                    {
                        "dataset": {"name": task, **place},
                        "shots": shots,
                        "encoder": "all-MiniLM-L6-v2",
                        "embedding": "mean",
                        "validation": 12,
                        "recipe": {"name": "frozen", "head": method},
                    }
                )
                labels_T = load(config.dataset).test.labels_N
                found = [each.predicted for each in replicates(config, draws=DRAWS, part="test")]
                right_NT = np.stack([each.judged == labels_T for each in found if each is not None])
                yield f"{task}/{method}/{shots}", packed(right_NT)


def packed(right_NT: Right) -> dict[str, Any]:
    """Return what is kept of a point: an even choice of its test rows."""
    size = right_NT.shape[1]
    kept_T = np.linspace(0, size - 1, min(KEPT, size)).astype(np.int64)
    draws = {str(draw): right_T[kept_T].astype(np.int64) for draw, right_T in zip(DRAWS, right_NT, strict=True)}
    return dict(PredictedClasses.of(draws).to_json())


def table(curves: Curves) -> str:
    """Return how far predictions lie from what twice the labels brought, in points, and how often intervals hold it."""
    lines = [
        "| draws, test rows | by the law: mean error | root mean square | as the last doubling | intervals hold |",
        "|---|---|---|---|---|",
    ]
    for draws, rows in ((5, 60), (10, 200), (20, 400)):
        found = list(predictions(curves, samples=40, draws=draws, rows=rows))
        law = np.array([100 * (each.expected.mean - each.real) for each in found])
        last = np.array([100 * (each.last - each.real) for each in found])
        held = np.mean([each.expected.low <= each.real <= each.expected.high for each in found])
        cells = (f"{law.mean():+.1f}", f"{np.sqrt((law**2).mean()):.1f}", f"{np.sqrt((last**2).mean()):.1f}")
        lines.append(f"| {draws}, {rows} | {' | '.join(cells)} | {100 * held:.1f} % |")
    return "\n".join(lines)


def score_table(curves: Curves) -> str:
    """Return how far the scores lie that the law expects 1, 2 and 3 doublings on, and how often intervals hold them."""
    lines = [
        "| doublings | draws, test rows | mean error | root mean square | intervals hold |",
        "|---|---|---|---|---|",
    ]
    for doublings in (1, 2, 3):
        for draws, rows in ((5, 60), (10, 200), (20, 400)):
            found = list(scores(curves, doublings=doublings, samples=40, draws=draws, rows=rows))
            error = np.array([100 * (expected.mean - real) for expected, real in found])
            held = 100 * np.mean([expected.low <= real <= expected.high for expected, real in found])
            root = np.sqrt((error**2).mean())
            lines.append(f"| {doublings} | {draws}, {rows} | {error.mean():+.1f} | {root:.1f} | {held:.1f} % |")
    return "\n".join(lines)


def main() -> None:
    """Measure the curves, which takes ten minutes on a core, or print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.learning_curves", description=__doc__)
    parser.add_argument("what", choices=("measure", "table"))
    parser.add_argument("--data", type=Path, help="folder of SentEval's tasks")
    options = parser.parse_args()
    if options.what == "measure":
        if options.data is None:
            parser.error("measure needs --data")
        RESULTS.write_text(json.dumps(dict(measure(options.data)), indent=1) + "\n", encoding="utf-8")
    print(table(read()))
    print()
    print(score_table(read()))


if __name__ == "__main__":
    main()
