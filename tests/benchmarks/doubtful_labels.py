"""How many planted wrong labels the list of doubtful labels has at its top, beside other scores.

    python -m tests.benchmarks.doubtful_labels

Each planting takes 100 rows of the embedded data and gives 5 of them another class. Four classifiers on the frozen
embeddings of all-MiniLM-L6-v2 stand for the arms of a sweep: each is confirmed on 10 draws of at most 8 labels per
class, of which each tests a part of its own. What is measured is the share of the planted labels among the first 10
rows of the list. The embedded data have honest errors of the models too, and perhaps a few wrong labels of their own.

Kept in `tests/benchmarks/results/doubtful_labels.json`.

Shapes: N rows, K draws, C classes, D embedding size.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.explain.doubtful import ranked
from sweep.explain.label_quality import label_quality
from sweep.explain.out_of_fold import out_of_fold, said_of
from sweep.explain.votes import UNTESTED, Votes
from sweep.verdict.statistics import mean_interval
from trainable.datasets.text_data import Rows, TextData
from trainable.draws import CONFIRMATION_START, few_shot_draw
from trainable.evaluation.heads import Classifier, centroid_head, logistic_head, neighbours_head, svm_head

__all__ = ["RESULTS", "Planted", "found_by_score", "planted", "summary"]

RESULTS = Path(__file__).parent / "results" / "doubtful_labels.json"
ROWS, WRONG, FIRST = 100, 5, 10
DRAWS, FOLDS = 10, 4

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

Head = Callable[[Floats, Labels, int], Classifier]

ARMS: Mapping[str, Head] = {
    "centroid": centroid_head,
    "neighbours": lambda rows_MD, labels_M, classes: neighbours_head(rows_MD, labels_M, classes, neighbours=3),
    "logistic_regression": lambda rows_MD, labels_M, classes: logistic_head(
        rows_MD, labels_M, classes, C=10.0, normalise=True
    ),
    "linear_svm": lambda rows_MD, labels_M, classes: svm_head(rows_MD, labels_M, classes, C=1.0, normalise=True),
}


@dataclass(frozen=True, slots=True)
class Planted:
    """A small file with wrong labels.

    unit_ND: embeddings, of length 1.
    labels_N: as the file has them.
    classes: their number.
    wrong_N: which labels were planted.
    """

    unit_ND: Floats
    labels_N: Labels
    classes: int
    wrong_N: NDArray[np.bool_]


def planted(unit_ND: Floats, labels_N: Labels, seed: int) -> Planted:
    """Draw a small file from all rows, and give some of its rows another class."""
    rng = np.random.default_rng(seed)
    classes = int(labels_N.max()) + 1
    chosen = rng.permutation(len(labels_N))[:ROWS]
    own_N, wrong_N = labels_N[chosen].copy(), np.zeros(ROWS, dtype=np.bool_)
    wrong_N[rng.choice(ROWS, WRONG, replace=False)] = True
    own_N[wrong_N] = (own_N[wrong_N] + rng.integers(1, classes, WRONG)) % classes
    return Planted(unit_ND[chosen], own_N, classes, wrong_N)


def found_by_score(file: Planted) -> dict[str, float]:
    """For each score, the share of the planted labels among the first rows of the list that it makes."""
    rows, labels_N = np.arange(ROWS), file.labels_N
    probabilities_RNC = out_of_fold(file.unit_ND, labels_N, file.classes)
    probability_NC = probabilities_RNC.mean(axis=0)
    own = _confirmed(file)
    arms = Votes(classes=file.classes, by_arm=own)
    everything = Votes(classes=file.classes, by_arm={"out of fold": said_of(probabilities_RNC), **own})
    label_N = probability_NC[rows, labels_N]
    others_NC = probability_NC.copy()
    others_NC[rows, labels_N] = -1
    rank_N = np.empty(ROWS)
    rank_N[[each.row for each in ranked(everything, probability_NC, labels_N)]] = rows
    scores = {
        "ours": rank_N,
        "out-of-fold probability alone": label_N,
        "out-of-fold margin": label_N - others_NC.max(axis=1),
        "share of the arms' models alone": arms.shares()[rows, labels_N],
        "share of 10 nearest rows": _neighbours(file),
    }
    quality = label_quality(probability_NC, labels_N)
    if quality is not None:
        scores["cleanlab alone"] = quality.score_N
        scores["cleanlab alone, flagged rows first"] = quality.score_N - quality.flagged_N
    first = {name: np.argsort(score_N, kind="stable")[:FIRST] for name, score_N in scores.items()}
    return {name: float(file.wrong_N[top].sum() / WRONG) for name, top in first.items()}


def summary(found: list[dict[str, float]]) -> dict[str, Any]:
    """For each score, the mean share in % with its 95 % interval over plantings, and that of what ours finds more."""
    by_score: Mapping[str, Floats] = {name: np.array([each[name] for each in found]) for name in found[0]}
    table: dict[str, Any] = {}
    for name, shares in by_score.items():
        table[name] = {"found": _percent(shares.mean()), "interval": [_percent(each) for each in mean_interval(shares)]}
        if name != "ours":
            more = by_score["ours"] - shares
            table[name]["ours_finds_more"] = [_percent(each) for each in (more.mean(), *mean_interval(more))]
    return table


def _confirmed(file: Planted) -> dict[str, Labels]:
    """What the draws of each arm's confirmation say, as a sweep draws them."""
    rows = Rows(tuple(map(str, range(ROWS))), None, file.labels_N)
    data = TextData("planted", tuple(map(str, range(file.classes))), rows, rows, folds=FOLDS)
    said = {name: np.full((DRAWS, ROWS), UNTESTED) for name in ARMS}
    for number in range(DRAWS):
        draw = few_shot_draw(
            data,
            sampling="per_class",
            shots="at most 8",
            validation="cross",
            index=CONFIRMATION_START + number,
            seed=0,
        )
        assert draw.test is not None, "each draw tests a part of its own"
        for name, head in ARMS.items():
            classify = head(file.unit_ND[draw.train], file.labels_N[draw.train], file.classes)
            said[name][number, draw.test] = classify(file.unit_ND[draw.test]).argmax(axis=1)
    return said


def _neighbours(file: Planted) -> Floats:
    cosine_NN = file.unit_ND @ file.unit_ND.T
    np.fill_diagonal(cosine_NN, -np.inf)
    nearest_NK = np.argsort(-cosine_NN, axis=1)[:, :10]
    share_N: Floats = (file.labels_N[nearest_NK] == file.labels_N[:, None]).mean(axis=1)
    return share_N


def _percent(share: Any) -> float:
    return round(100 * float(share), 1)


def _embedded() -> tuple[Floats, Labels]:
    from trainable.config import TrialConfig
    from trainable.datasets import load
    from trainable.embeddings import FrozenEncoder

    config = TrialConfig.model_validate(
        {
            "dataset": {"name": "support"},
            "shots": 8,
            "encoder": "all-MiniLM-L6-v2",
            "embedding": "auto",
            "recipe": {"name": "frozen"},
        }
    )
    data = load(config.dataset)
    rows_ND = FrozenEncoder.of(config, len(data.class_names)).embed_all(data.pool).astype(np.float64)
    return rows_ND / np.linalg.norm(rows_ND, axis=1, keepdims=True), data.pool.labels_N


def main() -> None:
    """Measure and keep it; some minutes on one core."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.doubtful_labels", description=__doc__)
    parser.add_argument("--plantings", type=int, default=200, help="of which the first 20 are kept by themselves too")
    options = parser.parse_args()
    unit_ND, labels_N = _embedded()
    found = [found_by_score(planted(unit_ND, labels_N, seed)) for seed in range(options.plantings)]
    table = {"20": summary(found[:20]), str(len(found)): summary(found)}
    RESULTS.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
