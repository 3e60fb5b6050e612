"""How often intervals from fifty labels hold what is true: many small files, drawn from a large data set.

    python -m tests.benchmarks.fifty_labels --data DIR

Each file has 50 rows of four classes of TREC and nothing else. Four classifiers on the frozen embeddings of
all-MiniLM-L6-v2 are confirmed on it as a sweep does: 20 draws, each of which tests a part of its own. The truth is what
such classifiers score on other rows of TREC, on average over files, where classes are as frequent as in the file.
A search is simulated too: of six configurations, the one with the highest score by cross-validation on four draws.

Kept in `tests/benchmarks/results/fifty_labels.json`.

Shapes: F files, A arms, N draws, T rows of a file, C classes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.verdict.crossed import crossed_difference, crossed_summary
from trainable.cross_validation import turns
from trainable.datasets.text_data import Rows, TextData
from trainable.draws import CONFIRMATION_START, few_shot_draw
from trainable.evaluation.heads import Classifier, centroid_head, logistic_head, neighbours_head, svm_head
from trainable.shots import Shots

__all__ = ["CLASSES", "RESULTS", "Held", "Large", "coverage"]

RESULTS = Path(__file__).parent / "results" / "fifty_labels.json"
CLASSES = ("DESC", "ENTY", "HUM", "NUM")
COUNTS = (13, 14, 13, 10)
"""The rows of each class in a file: as frequent as among all rows."""
DRAWS, SEARCH_DRAWS, FOLDS = 20, 4, 4

Floats = NDArray[np.float64]
Head = Callable[[Floats, NDArray[np.int64], int], Classifier]


def _logistic(C: float) -> Head:
    return lambda rows_MD, labels_M, classes: logistic_head(rows_MD, labels_M, classes, C=C, normalise=True)


def _neighbours(k: int) -> Head:
    return lambda rows_MD, labels_M, classes: neighbours_head(rows_MD, labels_M, classes, neighbours=k)


ARMS: Mapping[str, Head] = {
    "centroid": centroid_head,
    "neighbours": _neighbours(3),
    "logistic_regression": _logistic(10.0),
    "linear_svm": lambda rows_MD, labels_M, classes: svm_head(rows_MD, labels_M, classes, C=1.0, normalise=True),
}
SEARCHED: Mapping[str, Head] = {**ARMS, "neighbours 1": _neighbours(1), "neighbours 5": _neighbours(5)}


@dataclass(frozen=True, slots=True)
class Large:
    """A large data set: the embeddings of its rows, and their classes."""

    embeddings_ND: Floats
    labels_N: NDArray[np.int64]

    def file(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """The rows of one small file."""
        parts = [
            rng.choice(np.flatnonzero(self.labels_N == label), count, replace=False)
            for label, count in enumerate(COUNTS)
        ]
        return np.concatenate(parts)


@dataclass(frozen=True, slots=True)
class Held:
    """What one file gave.

    right_ANT: whether each arm gets a row right on each draw, NaN where the draw does not test it.
    true_A: the accuracy of its classifiers on other rows of the large data set, as a mean over the first draws, which
        together test each row once.
    score_A: by cross-validation on the draws of a search.
    """

    right_ANT: Floats
    true_A: Floats
    score_A: Floats


def confirmed(large: Large, file_T: NDArray[np.int64], heads: Sequence[Head], shots: Shots) -> Held:
    """Confirm the arms on one file, with the draws and folds of a sweep."""
    rows_TD, labels_T = large.embeddings_ND[file_T], large.labels_N[file_T]
    texts = tuple(map(str, file_T))
    rows = Rows(texts, None, labels_T)
    data = TextData("fifty", CLASSES, rows, rows, folds=FOLDS)
    others_M = np.setdiff1d(np.arange(0, len(large.labels_N), 8), file_T)
    shares_C = np.bincount(labels_T, minlength=len(CLASSES)) / len(labels_T)
    right_ANT = np.full((len(heads), DRAWS, len(file_T)), np.nan)
    true_AN = np.zeros((len(heads), FOLDS))
    for number in range(DRAWS):
        draw = few_shot_draw(
            data, sampling="per_class", shots=shots, validation="cross", index=CONFIRMATION_START + number, seed=0
        )
        assert draw.test is not None, "each draw tests a part of its own"
        for arm, head in enumerate(heads):
            classify = head(rows_TD[draw.train], labels_T[draw.train], len(CLASSES))
            right_ANT[arm, number, draw.test] = classify(rows_TD[draw.test]).argmax(axis=1) == labels_T[draw.test]
            if number >= FOLDS:
                continue
            hit_M = classify(large.embeddings_ND[others_M]).argmax(axis=1) == large.labels_N[others_M]
            true_AN[arm, number] = sum(
                share * hit_M[large.labels_N[others_M] == label].mean() for label, share in enumerate(shares_C)
            )
    return Held(right_ANT, true_AN.mean(axis=1), _searched(data, rows_TD, heads, shots))


def _searched(data: TextData, rows_TD: Floats, heads: Sequence[Head], shots: Shots) -> Floats:
    labels_T, scores_A = data.pool.labels_N, np.zeros(len(heads))
    for index in range(SEARCH_DRAWS):
        draw = few_shot_draw(data, sampling="per_class", shots=shots, validation="cross", index=index, seed=0)
        for train, held in turns(data, draw, index, 0):
            for arm, head in enumerate(heads):
                classify = head(rows_TD[train], labels_T[train], len(CLASSES))
                hits = classify(rows_TD[held]).argmax(axis=1) == labels_T[held]
                scores_A[arm] += hits.sum() / len(draw.train) / SEARCH_DRAWS
    return scores_A


def coverage(found: Sequence[Held], names: Sequence[str], arms: int) -> dict[str, Any]:
    """By arm and by pair of the first `arms` of them, how often the 95 % interval holds the truth, in %, and how far
    the mean estimate is off in points; the same of the configuration that a search chose among all of them."""
    true_A = np.mean([each.true_A for each in found], axis=0)
    summaries = [[crossed_summary(right_NT) for right_NT in each.right_ANT] for each in found]
    result: dict[str, Any] = {}
    for arm in range(arms):
        own = [summary[arm] for summary in summaries]
        result[names[arm]] = _held([(each.low, each.high, each.mean, true_A[arm]) for each in own])
    for first, second in combinations(range(arms), 2):
        own_pairs = [crossed_difference(each.right_ANT[first], each.right_ANT[second]) for each in found]
        truth = true_A[first] - true_A[second]
        result[f"{names[first]} - {names[second]}"] = _held([(d.low, d.high, d.mean, truth) for d in own_pairs])
    chosen = [int(each.score_A.argmax()) for each in found]
    best = [summary[arm] for summary, arm in zip(summaries, chosen, strict=True)]
    values = [(each.low, each.high, each.mean, true_A[arm]) for each, arm in zip(best, chosen, strict=True)]
    result[f"chosen of {len(names)}"] = _held(values)
    return result


def _held(values: Sequence[tuple[float, float, float, float]]) -> dict[str, float]:
    low_F, high_F, mean_F, true_F = np.array(values).T
    share = float(((low_F <= true_F) & (true_F <= high_F)).mean())
    return {
        "held": round(100 * share, 1),
        "standard_error": round(100 * float(np.sqrt(share * (1 - share) / len(values))), 1),
        "width": round(100 * float((high_F - low_F).mean()), 1),
        "off": round(100 * float((mean_F - true_F).mean()), 1),
        "true": round(100 * float(true_F.mean()), 1),
    }


def _large(folder: Path) -> Large:
    from trainable.config import TrialConfig
    from trainable.datasets import load
    from trainable.embeddings import FrozenEncoder

    config = TrialConfig.model_validate(
        {
            "dataset": {"name": "trec", "path": str(folder), "senteval": "TREC"},
            "shots": 8,
            "encoder": "all-MiniLM-L6-v2",
            "embedding": "mean",
            "recipe": {"name": "frozen"},
        }
    )
    data = load(config.dataset)
    frozen = FrozenEncoder.of(config, len(data.class_names))
    parts = [(frozen.embed(rows, np.arange(len(rows))), rows.labels_N) for rows in (data.pool, data.test)]
    embeddings_ND = np.concatenate([rows_MD for rows_MD, _ in parts]).astype(np.float64)
    labels_N = np.concatenate([labels_M for _, labels_M in parts])
    kept = [data.class_names.index(name) for name in CLASSES]
    chosen = np.isin(labels_N, kept)
    return Large(embeddings_ND[chosen], np.searchsorted(kept, labels_N[chosen]))


def _measured(large: Large, files: int, shots: Shots) -> Iterator[Held]:
    rng = np.random.default_rng(0)
    for number in range(files):
        yield confirmed(large, large.file(rng), list(SEARCHED.values()), shots)
        if number % 50 == 49:
            print(f"shots {shots}: {number + 1} of {files} files", flush=True)


def main() -> None:
    """Measure and keep it; about half an hour on one core."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.fifty_labels", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of SentEval's tasks")
    parser.add_argument("--files", type=int, default=600, help="so many for each number of shots")
    options = parser.parse_args()
    large, table = _large(options.data), {}
    settings: tuple[Shots, ...] = ("all", 4)
    for shots in settings:
        found = list(_measured(large, options.files, shots))
        table[str(shots)] = {"files": options.files, **coverage(found, list(SEARCHED), len(ARMS))}
        RESULTS.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
