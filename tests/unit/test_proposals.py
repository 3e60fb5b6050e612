"""Proposals are those of every version before: a sweep that was begun with one is continued with the same trials.

Where Optuna itself proposes otherwise, write the golden file anew with UPDATE_GOLDEN=1, and say so in the changelog.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution
from optuna.search_space import IntersectionSearchSpace
from optuna.trial import FrozenTrial, TrialState

from sweep.search.sampler import propose
from sweep.spec.cells import Cell
from tests.sweeps.past_trials import SPACES, past_trials, searched_cell
from trainable.ranges import Choice

GOLDEN = Path(__file__).parent / "golden" / "proposals.json"
BUDGET = 32
AFTER = ((0, 0), (1, 1), (3, 1), (14, 0), (40, 8), (200, 0), (1000, 8), (2000, 64))
"""How many trials a cell has, and how many of them still run."""


@pytest.mark.slow
@pytest.mark.parametrize("space", SPACES)
def test_the_next_trial_of_a_cell_is_that_of_earlier_versions(space: str) -> None:
    found = _proposals(searched_cell(space))
    if os.environ.get("UPDATE_GOLDEN"):
        known = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
        GOLDEN.write_text(json.dumps({**known, space: found}, indent=1) + "\n")
    proposed, known = (dict(_leaves(each)) for each in (found, json.loads(GOLDEN.read_text())[space]))
    numbers = {place for place, value in known.items() if isinstance(value, float)}
    assert {place: value for place, value in proposed.items() if place not in numbers} == {
        place: value for place, value in known.items() if place not in numbers
    }
    assert {place: proposed[place] for place in numbers} == pytest.approx(
        {place: known[place] for place in numbers}, rel=1e-12
    )


def _leaves(found: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Each value by its place, those of texts in JSON too: processors differ in the last bit of a logarithm."""
    if isinstance(found, str) and found.startswith("{"):
        found = json.loads(found)
    if not isinstance(found, dict):
        yield place, found
        return
    for name, value in found.items():
        yield from _leaves(value, f"{place}/{name}")


def _proposals(cell: Cell) -> dict[str, dict[str, Any]]:
    """By the number of trials before it, the values of the next trial, and what Optuna keeps beside them."""
    found = {}
    for number, running in AFTER if cell.size() > BUDGET else [(known, known // 2) for known in range(cell.size())]:
        earlier = past_trials(cell, number, running=running)
        trial, params = propose(cell, earlier, seed=7, budget=BUDGET)
        assert trial.number == number
        found[str(number)] = {"values": params, "own": trial.params, "kept": trial.system_attrs}
    return found


class _Uncopied:
    def __deepcopy__(self, memo: dict[int, Any]) -> _Uncopied:
        raise AssertionError("an earlier trial is copied in depth, which takes ten times as long as to propose one")


@pytest.mark.parametrize("space", SPACES)
def test_no_earlier_trial_is_copied(space: str) -> None:
    cell = searched_cell(space)
    earlier = past_trials(cell, 14, running=2)
    for trial in earlier:
        trial.user_attrs = {"config": _Uncopied()}
    propose(cell, earlier, seed=7, budget=BUDGET)


def test_what_is_remembered_between_proposals_changes_none() -> None:
    cell = searched_cell("one loss")
    common = IntersectionSearchSpace(include_pruned=True)
    for number, running in ((1, 1), (14, 6), (20, 3), (40, 20), (41, 5)):  # trials end in another order than they began
        earlier = past_trials(cell, number, running=running)
        remembered = propose(cell, earlier, seed=7, budget=BUDGET, common=common)[1]
        assert remembered == propose(cell, earlier, seed=7, budget=BUDGET)[1]


@pytest.mark.lengthy
@pytest.mark.parametrize("space", ["frozen encoder", "few of a frozen encoder"])
def test_no_configuration_is_proposed_twice_and_none_has_what_it_does_not_read(space: str) -> None:
    cell, read = searched_cell(space), {"centroid": {"name_weight"}, "neighbours": {"neighbours"}}
    found = _search(cell, cell.trials(BUDGET))
    assert len({tuple(each.items()) for each in found}) == len(found) == cell.trials(BUDGET)
    for params in found:
        own = {name.removeprefix("recipe.") for name in params}
        assert own == {"head", *read.get(str(params["recipe.head"]), {"normalise", "C"})}


def test_a_search_of_an_earlier_version_that_proposed_every_field_resumes() -> None:
    cell = searched_cell("few of a frozen encoder")
    earlier = [_with_all_fields(each, cell) for each in past_trials(cell, 3)]
    _, params = propose(cell, earlier, seed=7, budget=BUDGET)
    assert set(params) == {
        "recipe.head",
        "recipe.name_weight" if params["recipe.head"] == "centroid" else "recipe.neighbours",
    }
    assert all(params.items() - each.params.items() for each in earlier), "none of them again"
    assert all(len(each.params) == 3 for each in earlier), "the records stay as they are"


def _search(cell: Cell, trials: int) -> list[dict[str, Any]]:
    """The configurations of a whole search in which those by centroids are the best."""
    earlier: list[FrozenTrial] = []
    found = []
    for number in range(trials):
        trial, params = propose(cell, earlier, seed=7, budget=BUDGET)
        trial.state, trial.datetime_complete = TrialState.COMPLETE, trial.datetime_start
        trial.value = number / 1000 + (params["recipe.head"] == "centroid")
        earlier.append(trial)
        found.append(params)
    return found


def _with_all_fields(trial: FrozenTrial, cell: Cell) -> FrozenTrial:
    """It with a value for each searched field, in another order, as earlier versions recorded it."""
    (space,) = cell.spaces.values()
    ranges = {name: values for name, values in reversed(list(space.items())) if isinstance(values, Choice)}
    trial.distributions = {name: CategoricalDistribution(values.values) for name, values in ranges.items()}
    trial.params = {name: trial.params.get(name, each.values[0]) for name, each in ranges.items()}
    return trial
