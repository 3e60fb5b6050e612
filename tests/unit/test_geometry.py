"""How embeddings and proxies lie, against slow references from the papers."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from trainable.evaluation.geometry import COMPARED, embedding_geometry, proxy_geometry


def rows(count: int, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    labels_N = rng.integers(3, size=count)
    return np.eye(3, 5)[labels_N] + 0.4 * rng.normal(size=(count, 5)), labels_N


def distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(first.tolist(), second.tolist(), strict=True)))


def test_the_numbers_are_those_of_the_papers() -> None:
    embeddings_ND, labels_N = rows(40)
    unit_ND = embeddings_ND / np.linalg.norm(embeddings_ND, axis=1, keepdims=True)
    pairs = list(combinations(range(40), 2))
    same = [pair for pair in pairs if labels_N[pair[0]] == labels_N[pair[1]]]
    found = embedding_geometry(7 * embeddings_ND, labels_N)  # lengths do not count
    alignment = np.mean([distance(unit_ND[a], unit_ND[b]) ** 2 for a, b in same])
    uniformity = math.log(np.mean([math.exp(-2 * distance(unit_ND[a], unit_ND[b]) ** 2) for a, b in pairs]))
    centres = [unit_ND[labels_N == label].mean(axis=0) for label in range(3)]
    within = np.mean(
        [np.mean([distance(unit_ND[a], unit_ND[b]) for a, b in same if labels_N[a] == label]) for label in range(3)]
    )
    between = np.mean([distance(a, b) for a, b in combinations(centres, 2)])
    assert found == {
        "alignment": pytest.approx(alignment),
        "uniformity": pytest.approx(uniformity),
        "class_ratio": pytest.approx(within / between),
    }


def test_what_is_not_defined_is_left_out() -> None:
    embeddings_ND, _ = rows(3)
    assert set(embedding_geometry(embeddings_ND, np.array([0, 1, 2]))) == {"uniformity"}
    assert set(embedding_geometry(embeddings_ND, np.array([1, 1, 1]))) == {"uniformity", "alignment"}
    assert embedding_geometry(embeddings_ND[:1], np.array([0])) == {}


@pytest.mark.lengthy
def test_of_many_rows_an_even_choice_is_compared() -> None:
    embeddings_ND, labels_N = rows(3 * COMPARED)
    few = embedding_geometry(embeddings_ND[:COMPARED], labels_N[:COMPARED])
    many = embedding_geometry(embeddings_ND, labels_N)
    assert many == {name: pytest.approx(value, rel=0.05) for name, value in few.items()}


def test_proxies_that_win_nothing_and_proxies_that_have_become_one() -> None:
    embeddings_ND, _ = rows(30)
    proxies_PD = np.vstack([np.eye(3, 5), -np.eye(3, 5)])[[0, 3, 1, 4, 2, 5]]  # two of each class, opposite ones
    assert proxy_geometry(proxies_PD, np.abs(embeddings_ND), 3) == {
        "proxies_used": 0.5,
        "proxy_cosine": pytest.approx(-1),
    }
    as_one_PD = np.repeat(np.eye(3, 5), 2, axis=0) * np.array([1, 3] * 3)[:, None]
    assert proxy_geometry(as_one_PD, embeddings_ND, 3)["proxy_cosine"] == pytest.approx(1)
    assert set(proxy_geometry(np.eye(3, 5), embeddings_ND, 3)) == {"proxies_used"}
