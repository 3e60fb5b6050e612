"""Which test rows real classifiers get right, on many draws: the truth that intervals are held against.

    python -m tests.benchmarks.correctness --data DIR

Four classifiers on the frozen embeddings of all-MiniLM-L6-v2, TREC and CR at 8 labels per class, 200 draws: kept in
`tests/benchmarks/results/correctness.json`.

Shapes: N draws, T test rows.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainable.predicted_classes import PredictedClasses

__all__ = ["METHODS", "RESULTS", "read"]

RESULTS = Path(__file__).parent / "results" / "correctness.json"
DRAWS = range(30_000, 30_200)
METHODS: Mapping[str, Mapping[str, Any]] = {
    "logistic_regression": {"head": "logistic_regression"},
    "centroid": {"head": "centroid"},
    "neighbours": {"head": "neighbours", "neighbours": 3},
    "linear_svm": {"head": "linear_svm"},
}


def read(path: Path = RESULTS) -> dict[str, dict[str, NDArray[np.bool_]]]:
    """Return, by task and method, right_NT: whether the classifier of each draw gets each test row right."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    return {
        task: {
            method: np.stack(list(PredictedClasses.from_json(packed).by_rule().values())).astype(bool)
            for method, packed in methods.items()
        }
        for task, methods in stored.items()
    }


def measure(data: Path, task: str, method: str) -> PredictedClasses:
    """Fit one method on every draw of a task, and keep which test rows it gets right, draw by draw."""
    from trainable.config import TrialConfig
    from trainable.datasets import load
    from trainable.training import replicates

    config = TrialConfig.model_validate(
        {
            "dataset": {"name": task, "path": str(data), "senteval": task.upper()},
            "shots": 8,
            "encoder": "all-MiniLM-L6-v2",
            "embedding": "mean",
            "validation": 20,
            "recipe": {"name": "frozen", **METHODS[method]},
        }
    )
    labels_T = load(config.dataset).test.labels_N
    right = {}
    for found in replicates(config, draws=DRAWS, part="test"):
        assert found.predicted is not None, found.reason
        right[str(found.draw)] = (found.predicted.judged == labels_T).astype(np.int64)
    return PredictedClasses.of(right)


def main() -> None:
    """Measure all of it; takes about three minutes on two cores."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.correctness", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of SentEval's tasks")
    data = parser.parse_args().data
    table = {task: {method: measure(data, task, method).to_json() for method in METHODS} for task in ("trec", "cr")}
    RESULTS.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    print(f"{RESULTS}: {RESULTS.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
