"""The benchmark of searches: it searches as the service does, and its table is arithmetic."""

from __future__ import annotations

from pathlib import Path

from sweep.search.warm_start import FirstTrial
from tests.benchmarks.searches import Search, cell_of, searched, table
from trainable.config import TrialConfig


def score(config: TrialConfig) -> float:
    """Best where C is read and 10."""
    return 1.0 - abs(float(str(config.flat().get("recipe.C", 1000.0))) - 10.0) / 1000


def test_a_search_begins_with_the_defaults_then_with_what_is_suggested(tmp_path: Path) -> None:
    cell = cell_of(str(tmp_path), "trec")
    first = FirstTrial({**cell.default_params(), "recipe.C": 9.5}, "old/x#1")
    cold, warm = (searched(cell, "TPE", budget=6, seed=3, score=score, first=suggested) for suggested in ((), (first,)))
    assert [each.params for each in warm[:2]] == [cell.default_params(), first.params]
    assert cold[0].params == cell.default_params()
    assert cold[1].params != first.params
    assert [each.number for each in warm] == list(range(6))
    assert max(each.score or 0.0 for each in warm) >= score(cell.config(first.params))
    assert [each.params for each in cold] == [
        each.params for each in searched(cell, "TPE", budget=6, seed=3, score=score)
    ]


def test_a_longer_random_search_begins_with_a_shorter_one(tmp_path: Path) -> None:
    cell = cell_of(str(tmp_path), "cr")
    long, short = (searched(cell, "random", budget=budget, seed=1, score=score) for budget in (8, 3))
    assert [each.params for each in long[:3]] == [each.params for each in short]
    other = searched(cell, "random", budget=3, seed=2, score=score)
    assert [each.params for each in other] != [each.params for each in short]


def test_the_table_compares_searches_of_one_seed() -> None:
    known = [Search("trec", "random", 8, seed, accuracy) for seed, accuracy in ((0, 0.50), (1, 0.60))]
    known += [Search("trec", "TPE", 8, seed, accuracy) for seed, accuracy in ((0, 0.52), (1, 0.66))]
    assert table(known).splitlines()[2:] == ["| random | 55.0 |", "| TPE | 59.0 (2.0) |"]
