"""The recipe `frozen`: its scores are those of a plain script on the same rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.metrics import f1_score  # type: ignore[import-untyped]
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid  # type: ignore[import-untyped]
from sklearn.svm import SVC  # type: ignore[import-untyped]
from transformers import AutoModel, AutoTokenizer

from trainable.config import TrialConfig
from trainable.datasets import load
from trainable.draws import draw_of
from trainable.training import replicates

Floats = NDArray[np.float32]

FIELDS: list[dict[str, Any]] = [
    {"head": "logistic_regression", "C": 10.0},
    {"head": "logistic_regression", "C": 0.5, "normalise": False},
    {"head": "linear_svm", "C": 3.0},
    {"head": "linear_svm", "C": 0.01, "normalise": False},
    {"head": "centroid"},
    {"head": "neighbours", "neighbours": 1},
]


def config(encoder: Path, data: Path, **fields: Any) -> TrialConfig:
    known = {
        "dataset": {"name": "toy", "path": str(data)},
        "shots": 6,
        "encoder": str(encoder),
        "embedding": "mean",
        "replicates": 1,
    }
    return TrialConfig.model_validate({**known, "recipe": {"name": "frozen", **fields}})


def embedded(encoder: Path, texts: tuple[str, ...]) -> Floats:
    """The mean of the last hidden states of each sentence alone, by the library alone."""
    tokenizer, model = AutoTokenizer.from_pretrained(encoder), AutoModel.from_pretrained(encoder).eval()
    with torch.inference_mode():
        means = [model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(dim=0) for text in texts]
    return torch.stack(means).numpy()


def unit(rows_ND: Floats) -> Floats:
    directions_ND: Floats = rows_ND / np.linalg.norm(rows_ND, axis=1, keepdims=True)
    return directions_ND


def predicted(fields: dict[str, Any], train_MD: Floats, labels_M: NDArray[np.int64], rows_ND: Floats) -> Any:
    if fields.get("normalise", True):
        train_MD, rows_ND = unit(train_MD), unit(rows_ND)
    models = {
        "logistic_regression": lambda: LogisticRegression(C=fields["C"], max_iter=1000),
        "linear_svm": lambda: SVC(C=fields["C"], kernel="linear"),
        "neighbours": lambda: KNeighborsClassifier(n_neighbors=1, metric="cosine"),
        "centroid": NearestCentroid,
    }
    model = models[fields["head"]]().fit(train_MD, labels_M)
    if fields["head"] == "centroid":  # the highest cosine, not the shortest distance
        return (rows_ND @ unit(model.centroids_).T).argmax(axis=1)
    return model.predict(rows_ND)


@pytest.mark.parametrize("fields", FIELDS, ids=str)
def test_the_scores_are_those_of_a_plain_script(fields: dict[str, Any], tiny_bert: Path, toy_csv: Path) -> None:
    trial = config(tiny_bert, toy_csv, **fields)
    data = load(trial.dataset)
    pool_ND, test_ND = embedded(tiny_bert, data.pool.texts), embedded(tiny_bert, data.test.texts)
    for found in replicates(trial, [10_000, 10_001], part="test"):
        draw = draw_of(trial, data, found.draw)
        train_MD, labels_M = pool_ND[draw.train], data.pool.labels_N[draw.train]
        for part, rows_ND, labels_N in [
            ("val", pool_ND[draw.validation], data.pool.labels_N[draw.validation]),
            ("test", test_ND, data.test.labels_N),
        ]:
            predictions_N = predicted(fields, train_MD, labels_M, rows_ND)
            assert found.metrics[f"{part}_accuracy"] == pytest.approx((predictions_N == labels_N).mean())
            macro = f1_score(labels_N, predictions_N, average="macro")
            assert found.metrics[f"{part}_macro_f1"] == pytest.approx(macro)


@pytest.mark.parametrize("head", ["logistic_regression", "centroid", "neighbours", "linear_svm"])
def test_classes_that_their_words_tell_apart_are_found(head: str, tiny_bert: Path, toy_csv: Path) -> None:
    trial = config(tiny_bert, toy_csv, head=head).model_copy(update={"shots": 12})
    (found,) = replicates(trial)
    assert found.metrics["val_accuracy"] > 0.75  # always guessing one class gives a half
    assert found.step == 0


def test_every_initialisation_is_the_same_since_nothing_is_random(tiny_bert: Path, toy_csv: Path) -> None:
    trial = config(tiny_bert, toy_csv)
    (first,), (second,) = (replicates(trial, initialisation=number) for number in (0, 1))
    same = {name for name in first.metrics if not name.endswith("_seconds")}
    assert {name: first.metrics[name] for name in same} == {name: second.metrics[name] for name in same}
    assert (first.initialisation, second.initialisation) == (0, 1)
