"""What labels for 20 more texts are worth, by how the texts are chosen: a replay with texts whose labels are known.

    python -m tests.benchmarks.next_labels measure --data DIR
    python -m tests.benchmarks.next_labels table

A file of few labelled rows is drawn, and up to 1,000 other rows stand for texts without labels. Each way of choosing
takes 20 of them, gets their labels, and a logistic regression on the frozen embeddings of all-MiniLM-L6-v2 is fitted to
all that is labelled then; up to 2,000 further rows test it. All ways see the same draw, and are compared with texts at
random draw by draw.

Kept in `tests/benchmarks/results/next_labels.json`.

Shapes: N rows, M texts without labels, C classes, D embedding size, K models.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sweep.explain.next_labels import next_labels, unsureness
from sweep.explain.out_of_fold import frozen_probabilities
from sweep.verdict.statistics import mean_interval

__all__ = ["RESULTS", "WAYS", "Replay", "gains", "replay", "table"]

RESULTS = Path(__file__).parent / "results" / "next_labels.json"
TASKS = ("support", "trec", "cr", "mr")
SHOTS = (4, 8, 16, 32)
DRAWS = range(50_000, 50_040)
MORE, UNLABELLED, TESTED, MODELS = 20, 1_000, 2_000, 5

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A small file, texts without labels, and what five models say of these that were trained on halves of the file.

    unit_ND, labels_N, classes: of the file, whose embeddings have length 1.
    unit_MD: of the texts.
    probability_MC: what a classifier says of them that was fitted to the whole file.
    models_KMC: what those models say.
    generator: for what is chosen at random.
    """

    unit_ND: Floats
    labels_N: Labels
    classes: int
    unit_MD: Floats
    probability_MC: Floats
    models_KMC: Floats
    generator: np.random.Generator


def _entropy(probability: Floats) -> Floats:
    found: Floats = -(probability * np.log(np.maximum(probability, 1e-12))).sum(axis=-1)
    return found


def _most(values_M: Floats) -> list[int]:
    return [int(row) for row in np.argsort(-values_M, kind="stable")[:MORE]]


def _disagreement(drawn: Replay) -> Floats:
    """The entropy of the mean of the models less that of their entropies (Houlsby et al., 2011, arXiv:1112.5745)."""
    found: Floats = _entropy(drawn.models_KMC.mean(axis=0)) - _entropy(drawn.models_KMC).mean(axis=0)
    return found


WAYS: Mapping[str, Callable[[Replay], list[int]]] = {
    "random": lambda drawn: [int(row) for row in drawn.generator.permutation(len(drawn.unit_MD))[:MORE]],
    "ours": lambda drawn: [each.row for each in next_labels(drawn.unit_MD, unsureness(drawn.probability_MC), MORE)],
    "clusters without weights": lambda drawn: [
        each.row for each in next_labels(drawn.unit_MD, np.ones(len(drawn.unit_MD)), MORE)
    ],
    "least margin": lambda drawn: _most(unsureness(drawn.probability_MC)),
    "most entropy": lambda drawn: _most(_entropy(drawn.probability_MC)),
    "disagreement of 5 draws": lambda drawn: _most(_disagreement(drawn)),
}


def replay(unit_ND: Floats, labels_N: Labels, shots: int, seed: int) -> dict[str, float]:
    """The accuracy after labelling what each way chooses, and before, as `none`."""
    generator = np.random.default_rng(seed)
    classes = int(labels_N.max()) + 1
    order = generator.permutation(len(labels_N))
    own = np.concatenate([order[labels_N[order] == label][:shots] for label in range(classes)])
    others = order[~np.isin(order, own)]
    count = min(UNLABELLED, len(others) * 6 // 10)
    unlabelled, tested = others[:count], others[count : count + TESTED]
    halves = [_half(own, labels_N, generator) for _ in range(MODELS)]
    says = [frozen_probabilities(unit_ND[half], labels_N[half], classes, unit_ND[unlabelled]) for half in halves]
    drawn = Replay(
        unit_ND=unit_ND[own],
        labels_N=labels_N[own],
        classes=classes,
        unit_MD=unit_ND[unlabelled],
        probability_MC=frozen_probabilities(unit_ND[own], labels_N[own], classes, unit_ND[unlabelled]),
        models_KMC=np.stack(says),
        generator=generator,
    )

    def accuracy(rows: NDArray[np.int64]) -> float:
        says_TC = frozen_probabilities(unit_ND[rows], labels_N[rows], classes, unit_ND[tested])
        return float((says_TC.argmax(axis=1) == labels_N[tested]).mean())

    found = {way: accuracy(np.concatenate([own, unlabelled[choose(drawn)]])) for way, choose in WAYS.items()}
    return {"none": accuracy(own), **found}


def _half(own: Labels, labels_N: Labels, generator: np.random.Generator) -> Labels:
    """Half of the rows of each class, at least two: what a draw of a comparison trains on."""
    parts = [generator.permutation(own[labels_N[own] == label]) for label in np.unique(labels_N[own])]
    return np.concatenate([part[: max(2, len(part) // 2)] for part in parts])


def gains(stored: Mapping[str, Mapping[str, list[float]]], way: str) -> dict[str, tuple[float, float, float]]:
    """What a way gains over texts at random, in points: the mean over draws with its 95 % interval, by task and shots,
    and over all of these as `all`."""
    differences = {name: 100 * (np.array(by_way[way]) - np.array(by_way["random"])) for name, by_way in stored.items()}
    differences["all"] = np.mean(list(differences.values()), axis=0)
    found = {name: (each.mean(), *mean_interval(each)) for name, each in differences.items()}
    return {name: (float(mean), float(low), float(high)) for name, (mean, low, high) in found.items()}


def table(stored: Mapping[str, Mapping[str, list[float]]]) -> str:
    """Return what each way gains over texts at random, and how often it is behind them over tasks and shots."""
    lines = ["| texts chosen by | points more than at random | least, most over tasks and shots |", "|---|---:|---:|"]
    for way in WAYS:
        if way != "random":
            found = gains(stored, way)
            mean, low, high = found.pop("all")
            ends = [each[0] for each in found.values()]
            lines.append(f"| {way} | {mean:+.2f} ({low:+.2f} to {high:+.2f}) | {min(ends):+.1f}, {max(ends):+.1f} |")
    return "\n".join(lines)


def measure(data: Path) -> Iterator[tuple[str, dict[str, list[float]]]]:
    """Replay every draw of every task; yield its name and number of labels with the accuracies by way."""
    from trainable.config import TrialConfig
    from trainable.datasets import load
    from trainable.embeddings import FrozenEncoder

    for task in TASKS:
        place = {} if task == "support" else {"path": str(data / task.upper()), "senteval": task.upper()}
        config = TrialConfig.model_validate(
            {
                "dataset": {"name": task, **place},
                "shots": 4,
                "encoder": "all-MiniLM-L6-v2",
                "embedding": "mean",
                "recipe": {"name": "frozen", "head": "logistic_regression"},
            }
        )
        rows = load(config.dataset)
        frozen = FrozenEncoder.of(config, len(rows.class_names))
        rows_ND = np.concatenate([frozen.embed_all(part) for part in (rows.pool, rows.test)]).astype(np.float64)
        unit_ND = rows_ND / np.linalg.norm(rows_ND, axis=1, keepdims=True)
        labels_N = np.concatenate([rows.pool.labels_N, rows.test.labels_N])
        for shots in SHOTS:
            found = [replay(unit_ND, labels_N, shots, seed) for seed in DRAWS]
            yield f"{task}/{shots}", {way: [round(each[way], 5) for each in found] for way in found[0]}


def main() -> None:
    """Replay, which takes ten minutes on a core, or print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.next_labels", description=__doc__)
    parser.add_argument("what", choices=("measure", "table"))
    parser.add_argument("--data", type=Path, help="folder of SentEval's tasks")
    options = parser.parse_args()
    if options.what == "measure":
        if options.data is None:
            parser.error("measure needs --data")
        RESULTS.write_text(json.dumps(dict(measure(options.data)), indent=1) + "\n", encoding="utf-8")
    print(table(json.loads(RESULTS.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
