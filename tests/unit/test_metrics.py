from __future__ import annotations

import numpy as np
import pytest

from trainable.evaluation.metrics import classification_metrics, cross_entropy


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("num_classes", [2, 6])
def test_agrees_with_scikit_learn(seed: int, num_classes: int) -> None:
    reference = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    # Few rows, and a class that is never predicted, so that some classes are missing on one side or on both.
    labels, predictions = rng.integers(0, num_classes, 12), rng.integers(0, max(1, num_classes - 2), 12)
    ours = classification_metrics(labels, predictions, num_classes)
    assert ours["accuracy"] == pytest.approx(reference.accuracy_score(labels, predictions))
    for average in ("macro", "weighted"):
        theirs = reference.f1_score(labels, predictions, average=average, zero_division=0)
        assert ours[f"{average}_f1"] == pytest.approx(theirs)


def test_a_class_that_does_not_occur_is_no_part_of_macro_f1() -> None:
    perfect = classification_metrics(np.array([0, 1]), np.array([0, 1]), 3)
    assert perfect == {"accuracy": 1.0, "macro_f1": 1.0, "weighted_f1": 1.0}


def test_always_the_majority() -> None:
    scores = classification_metrics(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0]), 2)
    assert scores["accuracy"] == 0.75
    assert scores["macro_f1"] == pytest.approx((6 / 7 + 0) / 2)
    assert scores["weighted_f1"] == pytest.approx(0.75 * 6 / 7)


def test_cross_entropy_of_equal_scores_is_the_log_of_the_class_count() -> None:
    assert cross_entropy(np.zeros((4, 3)), np.array([0, 1, 2, 0])) == pytest.approx(np.log(3))


def test_cross_entropy_agrees_with_torch_and_survives_large_scores() -> None:
    import torch

    scores, labels = np.random.default_rng(0).normal(0, 5, (7, 4)), np.array([0, 1, 2, 3, 0, 1, 2])
    theirs = torch.nn.functional.cross_entropy(torch.from_numpy(scores), torch.from_numpy(labels))
    assert cross_entropy(scores, labels) == pytest.approx(theirs.item())
    assert cross_entropy(np.array([[1e5, 0.0]]), np.array([1])) == pytest.approx(1e5)
