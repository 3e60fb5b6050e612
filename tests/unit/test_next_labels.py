"""Which texts are worth a label: by hand, at the edges, and as data."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sweep.explain.next_labels import new_texts, next_labels, unsureness


def blobs(*sizes: int) -> NDArray[np.float64]:
    """Points around the axes, that in the middle of each blob first."""
    rng = np.random.default_rng(0)
    parts = []
    for axis, size in enumerate(sizes):
        around = np.zeros((size, len(sizes)))
        around[:, axis] = 1
        noise = 0.05 * rng.normal(size=(size, len(sizes)))
        noise[0] = 0
        noise -= noise.mean(axis=0)
        parts.append(around + noise)
    points = np.concatenate(parts)
    unit: NDArray[np.float64] = points / np.linalg.norm(points, axis=1, keepdims=True)
    return unit


def test_a_text_of_each_cluster_is_taken_that_of_the_heaviest_first() -> None:
    unit_MD = blobs(10, 30, 20)
    found = next_labels(unit_MD, np.ones(60), 3)
    assert [each.stands_for for each in found] == [30, 20, 10]
    assert [0 if each.row < 10 else 1 if each.row < 40 else 2 for each in found] == [1, 2, 0]
    weighed = next_labels(unit_MD, np.repeat([1.0, 0.1, 0.5], [10, 30, 20]), 3)
    assert [each.stands_for for each in weighed] == [10, 20, 30], "10 x 1, 20 x 0.25 and 30 x 0.01"


def test_the_text_nearest_to_the_centre_is_taken() -> None:
    unit_MD = blobs(15, 15)
    for each in next_labels(unit_MD, np.ones(30), 2):
        own = range(15) if each.row < 15 else range(15, 30)
        centre_D = unit_MD[own.start : own.stop].mean(axis=0)
        assert each.row == min(own, key=lambda row: float(np.linalg.norm(unit_MD[row] - centre_D)))


@pytest.mark.parametrize("unsure", [0.0, 1.0])
@pytest.mark.parametrize("most", [1, 5, 60, 200])
def test_every_choice_is_of_different_texts_and_the_same_again(most: int, unsure: float) -> None:
    unit_MD = blobs(30, 30)
    found = next_labels(unit_MD, np.full(60, unsure), most)
    assert len(found) == min(most, 60)
    assert len({each.row for each in found}) == len(found)
    assert sum(each.stands_for for each in found) == 60
    assert next_labels(unit_MD, np.full(60, unsure), most) == found


def test_texts_that_an_encoder_does_not_tell_apart_need_one_label() -> None:
    unit_MD = np.repeat(np.eye(3), 4, axis=0)
    found = next_labels(unit_MD, np.ones(12), 10)
    assert [each.stands_for for each in found] == [4, 4, 4]
    assert next_labels(np.empty((0, 3)), np.empty(0), 5) == ()


def test_unsureness_is_one_less_the_margin() -> None:
    given = np.array([[0.7, 0.2, 0.1], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    assert unsureness(given).tolist() == pytest.approx([0.5, 1.0, 0.0])


def test_blank_labelled_and_repeated_texts_are_left_out() -> None:
    texts = ["a film", "", "A  Film", "another", " \n", "another ", "new"]
    assert new_texts(texts, None, ["New"], None) == [0, 3]
    pairs = ["x", "x", "y", "z", "z", "z", "z"]
    assert new_texts(texts, pairs, ["new"], ["other"]) == [0, 2, 3, 6]
    assert new_texts([], None, ["a"], None) == []
