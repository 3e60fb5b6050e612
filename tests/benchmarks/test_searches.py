"""The benchmark of searches: it searches as the service does, and its table is arithmetic."""

from __future__ import annotations

from pathlib import Path

from sweep.search.warm_start import FirstTrial
from tests.benchmarks.searches import Search, cell_of, read, searched, table, to_longest
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


def test_searches_are_compared_with_the_longest_random_one_over_all_tasks() -> None:
    rows = {
        ("random", 2): (0.50, 0.60),
        ("random", 8): (0.60, 0.70),
        ("TPE", 2): (0.58, 0.70),
        ("TPE", 8): (0.60, 0.72),
    }
    known = [
        Search(task, search, budget, seed, accuracy + more)
        for (search, budget), accuracies in rows.items()
        for seed, accuracy in enumerate(accuracies)
        for task, more in (("trec", 0.0), ("cr", 0.1))
    ]
    assert to_longest(known).splitlines()[2:] == [
        "| random | -10.00 (0.00) | +0.00 (0.00) |",
        "| TPE | -1.00 (1.00) | +1.00 (1.00) |",
    ]


def test_what_is_kept_says_that_a_warm_start_needs_a_quarter_of_the_trials() -> None:
    last = to_longest([each for each in read() if each.method == "frozen"]).splitlines()[-1]
    behind, error = (float(word) for word in last.split("|")[3].strip(" )").split(" ("))
    assert last.startswith("| TPE, warm start |")
    assert behind + 2 * error > 0 > behind - 1
