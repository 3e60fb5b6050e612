"""Predictions are kept whole and small."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sweep.records.results import SweepResults
from sweep.records.sweep import DataRecord
from tests.sweeps.synthetic_results import synthetic_results
from trainable.outcomes import Evaluation
from trainable.predicted_classes import PredictedClasses

RULES = ("head", "nearest", "neighbours", "mixture")


def answers(rows: int, classes: int, wrong: float, seed: int) -> dict[str, NDArray[np.int64]]:
    """Rules of one classifier: each answers a share of the rows wrongly, most of them as the others do."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=rows)
    first = np.where(rng.random(rows) < wrong, rng.integers(classes, size=rows), labels)
    return {
        rule: np.where(rng.random(rows) < 0.1, rng.integers(classes, size=rows), first) if rule != "head" else first
        for rule in RULES
    }


@given(
    rows=st.lists(st.lists(st.integers(0, 2**16 - 1), min_size=3, max_size=3), min_size=0, max_size=40),
    small=st.booleans(),
)
def test_what_is_packed_comes_back(rows: list[list[int]], small: bool) -> None:
    classes_NR = np.array(rows, dtype=np.int64).reshape(-1, 3) % (2**8 if small else 2**16)
    given_classes = {rule: classes_NR[:, place] for place, rule in enumerate(("nearest", "head", "mixture"))}
    packed = PredictedClasses.of(given_classes)
    found = PredictedClasses.from_json(json.loads(json.dumps(packed.to_json())))
    assert found == packed
    assert list(found.by_rule()) == ["nearest", "head", "mixture"]
    for rule, classes_N in given_classes.items():
        np.testing.assert_array_equal(found.by_rule()[rule], classes_N)
    np.testing.assert_array_equal(found.judged, given_classes["nearest"])
    assert packed.width == (1 if classes_NR.max(initial=0) < 2**8 else 2)


@pytest.mark.parametrize(("classes", "wrong"), [(6, 0.3), (77, 0.3), (77, 0.9)])
def test_those_of_a_large_sweep_take_less_than_30_mb(classes: int, wrong: float) -> None:
    """10,000 test rows, 14 losses, 20 draws each; three replicates stand for the 280."""
    lengths = [
        len(json.dumps(PredictedClasses.of(answers(10_000, classes, wrong, seed)).to_json())) for seed in range(3)
    ]
    assert 280 * np.mean(lengths) < 30e6


def test_an_evaluation_keeps_them_and_one_of_old_stays_as_it_was() -> None:
    packed = PredictedClasses.of(answers(50, 6, 0.3, 0))
    known = Evaluation(draw=1, replicate=0, point=1, step=4, predicted=packed)
    assert Evaluation.from_json(json.loads(json.dumps(known.to_json()))) == known
    assert "predicted" not in Evaluation(draw=1, replicate=0, point=1, step=4).to_json()


def test_a_dataset_keeps_its_labels_and_one_of_old_stays_as_it_was() -> None:
    old = DataRecord(name="own", class_names=("a", "b"), pool=10, test=4, test_counts=(2, 2))
    assert "labels" not in old.to_json()
    assert DataRecord.from_json(json.loads(json.dumps(old.to_json()))) == old
    labels = PredictedClasses.of({"label": np.array([0, 1, 1, 0])})
    new = DataRecord(name="own", class_names=("a", "b"), pool=10, test=4, test_counts=(2, 2), labels=labels)
    assert DataRecord.from_json(json.loads(json.dumps(new.to_json()))) == new


def test_a_document_keeps_them(tmp_path: Path) -> None:
    results = synthetic_results(datasets=("trec",), losses=("cross_entropy", "supcon"), draws=2, trials=1)
    found = SweepResults.from_json(results.to_json())
    assert found == results
    kept = [each.evaluation.predicted for record in found.confirmations for each in record.replicates]
    assert len(kept) == 2 * 2 * 2  # losses, draws, initialisations
    labels = found.sweep.data["trec"].labels
    assert labels is not None
    for record in found.confirmations:
        for evaluation in (each.evaluation for each in record.replicates):
            assert evaluation.predicted is not None
            assert (evaluation.predicted.judged == labels.judged).mean() == evaluation.metrics["test_accuracy"]
