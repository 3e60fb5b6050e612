"""How sure a classifier was is kept small, and near enough to what it was."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.unit.test_predicted_classes import answers
from trainable.confidences import PRECISE, TEMPERED, Confidences
from trainable.outcomes import Evaluation
from trainable.predicted_classes import PredictedClasses

Floats = NDArray[np.float64]


def softmax(scores_NC: Floats) -> Floats:
    powers_NC = np.exp(scores_NC - scores_NC.max(axis=1, keepdims=True))
    return np.asarray(powers_NC / powers_NC.sum(axis=1, keepdims=True))


def scores(rows: int, classes: int, seed: int = 0) -> tuple[Floats, NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    labels_N = rng.integers(classes, size=rows)
    return 3 * np.eye(classes)[labels_N] + 2 * rng.normal(size=(rows, classes)), labels_N


def by_hand(probabilities_NC: Floats, labels_N: NDArray[np.int64]) -> dict[str, list[float]]:
    """What is kept, row by row."""
    found: dict[str, list[float]] = {"confidence": [], "true": [], "others": []}
    for row_C, label in zip(probabilities_NC.tolist(), labels_N.tolist(), strict=True):
        said = row_C.index(max(row_C))
        found["confidence"].append(row_C[said])
        found["true"].append(row_C[label])
        rest = [each for place, each in enumerate(row_C) if place not in (said, label)]
        found["others"].append(sum(each**2 for each in rest) ** 0.5)
    return found


@pytest.mark.lengthy
@pytest.mark.parametrize(("rows", "error"), [(300, 5e-5), (PRECISE + 1, 6e-3)])
@pytest.mark.parametrize("classes", [2, 6])
def test_what_is_packed_comes_back_about_as_it_was(rows: int, error: float, classes: int) -> None:
    scores_NC, labels_N = scores(rows, classes)
    nearest_NC = np.random.default_rng(1).normal(size=(rows, classes))
    packed = Confidences.of(scores_NC, labels_N, temperature=2.5, nearest_NC=nearest_NC)
    found = Confidences.from_json(json.loads(json.dumps(packed.to_json())))
    assert found == packed
    values = found.values()
    for prefix, temperature in (("", 1.0), (TEMPERED, 2.5)):
        for name, wanted in by_hand(softmax(scores_NC / temperature), labels_N).items():
            np.testing.assert_allclose(values[prefix + name], wanted, atol=error)
    highest_NC = np.sort(nearest_NC, axis=1)
    reach = 6 * 2 / 250 if rows > PRECISE else 6 * 2 / 60_000
    np.testing.assert_allclose(values["nearness"], highest_NC[:, -1], atol=reach)
    np.testing.assert_allclose(values["margin"], highest_NC[:, -1] - highest_NC[:, -2], atol=reach)
    right_N = scores_NC.argmax(axis=1) == labels_N
    np.testing.assert_array_equal(values["true"][right_N], values["confidence"][right_N])


def test_means_hardly_suffer() -> None:
    """With one byte a row: rounding is as often up as down."""
    scores_NC, labels_N = scores(10_000, 6)
    values = Confidences.of(scores_NC, labels_N).values()
    true_N = softmax(scores_NC)[np.arange(10_000), labels_N]
    assert -np.log(values["true"]).mean() == pytest.approx(-np.log(true_N).mean(), abs=1e-3)
    assert values["confidence"].mean() == pytest.approx(softmax(scores_NC).max(axis=1).mean(), abs=1e-4)


@given(
    rows=st.lists(st.lists(st.floats(-700, 700), min_size=3, max_size=3), min_size=1, max_size=20),
    temperature=st.sampled_from([None, 0.01, 1.0, 100.0]),
)
def test_scores_of_any_size_give_probabilities(rows: list[list[float]], temperature: float | None) -> None:
    scores_NC = np.array(rows)
    labels_N = np.arange(len(rows)) % 3
    values = Confidences.of(scores_NC, labels_N, temperature=temperature, nearest_NC=scores_NC).values()
    for name, values_N in values.items():
        assert np.isfinite(values_N).all(), name
        if name not in ("nearness", "margin"):
            assert ((values_N >= 0) & (values_N <= 1)).all(), name
    assert (values["true"] > 0).all(), "its logarithm is asked for"
    assert any(name.startswith(TEMPERED) for name in values) == (temperature is not None)


@pytest.mark.parametrize("classes", [2, 6, 77])
@pytest.mark.parametrize("rows", [PRECISE, 10_000])
def test_those_of_a_large_sweep_take_less_than_30_mb_with_the_predictions(rows: int, classes: int) -> None:
    """At most 10,000 test rows, 14 losses, 20 draws each; one replicate stands for the 280."""
    scores_NC, labels_N = scores(rows, classes)
    nearest_NC = np.random.default_rng(1).normal(size=(rows, classes))
    kept = (
        Confidences.of(scores_NC, labels_N, temperature=2.0, nearest_NC=nearest_NC).to_json(),
        PredictedClasses.of(answers(rows, classes, 0.3, 0)).to_json(),
    )
    assert 280 * sum(len(json.dumps(each)) for each in kept) < 30e6


def test_an_evaluation_keeps_them_and_one_of_old_stays_as_it_was() -> None:
    scores_NC, labels_N = scores(50, 6)
    known = Evaluation(draw=1, replicate=0, point=1, step=4, confidences=Confidences.of(scores_NC, labels_N))
    assert Evaluation.from_json(json.loads(json.dumps(known.to_json()))) == known
    assert "confidences" not in Evaluation(draw=1, replicate=0, point=1, step=4).to_json()
