"""The bounds of what a sweep trains hold for the real rules, whatever the order of good and bad trials, and are met."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from sweep.ledger.ledger import Ledger
from sweep.ledger.storage import open_storage
from sweep.scheduling.dispatcher import Dispatcher
from sweep.scheduling.workload import TrainingSeconds, Work, least_share, work_of
from tests.sweeps.grid import evaluated, grid, spec
from trainable.outcomes import Outcome

RULES: tuple[dict[str, Any], ...] = (
    {"rule": "asha", "reduction_factor": 2},
    {"rule": "asha", "reduction_factor": 3},
    {"rule": "asha", "reduction_factor": 2, "min_records": 4},
    {"rule": "asha", "reduction_factor": 2, "rungs": [2]},
    {"rule": "median"},
    {"rule": "median", "min_records": 2},
    {"rule": "none"},
)


def blocks(pruning: dict[str, Any], trials: int = 4, replicates: int = 2) -> dict[str, Any]:
    return {
        "compare": {"dataset": ["support"], "shots": [4], "loss": ["cross_entropy"]},
        "budget": {"trials_per_cell": trials},
        "protocol": {"replicates": replicates, "evaluations": 2, "steps": 4},
        "pruning": pruning,
    }


def trained(folder: Path, changes: dict[str, Any], qualities: tuple[int, ...]) -> float:
    """The share of all reports of a search whose trials, one after the other, are as good as `qualities` says."""
    folder.mkdir()
    ledger = Ledger(open_storage(folder / "journal", write=True), "small")
    ledger.begin(spec(**changes).resolved(), grid(**changes), {})
    each = Dispatcher(ledger, spec(**changes), grid(**changes), slots=1, changed=lambda key: None)
    each.start()
    for quality in qualities:
        assignment = each.next()
        assert assignment is not None
        points = ((r, e) for r in range(assignment.config.replicates) for e in (1, 2))
        while not each.record(assignment.key, evaluated(*next(points), quality / 10)):
            pass
    trials = ledger.trials()
    assert {trial.outcome for trial in trials} <= {Outcome.COMPLETED, Outcome.PRUNED}
    total = trials[0].config.replicates * trials[0].config.evaluations
    return sum(len(trial.evaluations) for trial in trials) / (total * len(qualities))


def share(changes: dict[str, Any]) -> float:
    made = spec(**changes)
    (cell,) = grid(**changes)
    return least_share(made.pruning, cell.default_config(), made.budget.trials_per_cell)


@pytest.mark.parametrize("pruning", RULES, ids=str)
def test_no_order_of_trials_is_cheaper_and_one_is_as_cheap(pruning: dict[str, Any], tmp_path: Path) -> None:
    changes = blocks(pruning)
    orders = [(4, 3, 2, 1), (1, 2, 3, 4), (3, 4, 1, 2), (4, 1, 2, 3)]
    found = [trained(tmp_path / str(number), changes, order) for number, order in enumerate(orders)]
    assert min(found) == pytest.approx(share(changes))


def test_a_signed_rank_test_takes_four_draws(tmp_path: Path) -> None:
    changes = blocks({"rule": "wilcoxon"}, trials=3, replicates=6)
    assert trained(tmp_path / "best-first", changes, (3, 2, 1)) == pytest.approx((6 + 4 + 4) / 18)
    assert share(changes) == pytest.approx((6 + 4 + 4) / 18)
    assert share(blocks({"rule": "wilcoxon"}, replicates=3)) == 1.0


def test_a_pilot_is_never_stopped() -> None:
    adaptive = {"rule": "asha", "reduction_factor": 2, "adaptive": True}
    assert share(blocks(adaptive, trials=5)) == 1.0
    assert share(blocks(adaptive, trials=10)) == pytest.approx((5 + 5 * 1 / 4) / 10)


def test_few_trials_are_never_stopped() -> None:
    assert share(blocks({"rule": "asha", "reduction_factor": 3}, trials=2)) == 1.0
    assert share(blocks({"rule": "asha", "reduction_factor": 3}, trials=3)) < 1.0


def test_the_work_of_a_sweep_is_that_of_its_cells() -> None:
    changes = {"pruning": {"rule": "none"}, "confirm": {"draws": 3, "reseeded": 1, "finalists": 2, "finalist_draws": 5}}
    first, second = cells = grid(**changes)
    work = work_of(
        cells, spec(**changes), {first.key: TrainingSeconds(10.0, 2.0), second.key: TrainingSeconds(20.0, 7.0)}
    )
    assert work == Work(
        search=4 * 10.0 + 4 * 20.0,
        pruned=4 * 10.0 + 4 * 20.0,
        deciders=2 * 5 * (10.0 / 2 + 20.0 / 2),
        confirmation=4 * (2.0 + 7.0),
        first_look=4 * (2.0 + 7.0),
        chain=20.0 + 7.0,
    )


def test_a_search_that_may_end_early_takes_at_least_eight_trials() -> None:
    changes = {"pruning": {"rule": "none"}, "confirm": {"draws": 20}}
    stopping = {"trials_per_cell": 16, "stop": "worthwhile"}
    (first, second), made = grid(**changes, budget=stopping), spec(**changes, budget=stopping)
    costs = {cell.key: TrainingSeconds(10.0, 2.0) for cell in (first, second)}
    work = work_of((first, second), made, costs)
    assert (work.search, work.pruned) == (2 * 16 * 10.0, 2 * 8 * 10.0)
    unconfirmed = spec(**changes | {"confirm": {"draws": 0}}, budget=stopping)
    assert work_of((first, second), unconfirmed, costs).pruned == 2 * 16 * 10.0


def test_what_is_done_once_is_counted_once_whatever_is_pruned() -> None:
    changes = {"pruning": {"rule": "asha", "reduction_factor": 2}, "confirm": {"draws": 3, "reseeded": 0}}
    cells, made = grid(**changes), spec(**changes)
    alone = work_of(cells, made, {cell.key: TrainingSeconds(10.0, 2.0) for cell in cells})
    costs = {cell.key: TrainingSeconds(10.0, 2.0, once) for cell, once in zip(cells, (0.0, 100.0), strict=True)}
    work = work_of(cells, made, costs)
    assert (work.search, work.pruned, work.confirmation) == (alone.search + 100, alone.pruned + 100, alone.confirmation)
    assert work.chain == 100.0 + 10.0 + 2.0


def test_a_trial_with_one_evaluation_for_each_replicate_is_pruned_between_them() -> None:
    changes: dict[str, Any] = {**blocks({"rule": "asha", "reduction_factor": 2}), "compare": FROZEN}
    assert share(changes) == pytest.approx((1 + 3 * 1 / 2) / 4)
    assert share(changes | {"pruning": {"rule": "asha", "rungs": [1]}, "budget": {"trials_per_cell": 2}}) == 1.0


FROZEN: dict[str, Any] = {"dataset": ["support"], "shots": [4], "recipe": ["frozen"], "loss": None}


def test_no_schedule_is_outside_the_bounds() -> None:
    """Three trials and their confirmations in every order on two slots, each begun as soon as a slot is free."""
    lengths = (1.0, 2.0, 6.0)
    work = Work(search=9.0, pruned=9.0, deciders=0.0, confirmation=0.0, first_look=0.0, chain=6.0)
    least, most = work.duration(2)
    ends = [_greedy(order, slots=2) for order in permutations(lengths)]
    assert least == min(ends) == 6.0
    assert max(ends) <= most == 7.5


def _greedy(lengths: tuple[float, ...], slots: int) -> float:
    busy = [0.0] * slots
    for length in lengths:
        free = busy.index(min(busy))
        busy[free] += length
    return max(busy)


def test_cells_keep_their_own_shares() -> None:
    axes = {"dataset": ["support"], "shots": [4], "loss": ["cross_entropy"], "replicates": [1, 4]}
    protocol = {"replicates": None, "evaluations": 2, "steps": 4}
    changes = {**blocks({"rule": "asha", "reduction_factor": 2}), "compare": axes, "protocol": protocol}
    cells = grid(**changes)
    work = work_of(cells, spec(**changes), {cell.key: TrainingSeconds(8.0, 1.0) for cell in cells})
    assert work.pruned == pytest.approx(8.0 * ((1 + 3 * 1 / 2) + (1 + 3 * 1 / 8)))
