"""What trials are thought to cost before any is timed: by it the longest begin first, and the time left is told."""

from __future__ import annotations

from typing import Any

import pytest

from sweep.records.sweep import DataRecord
from sweep.scheduling.cell_costs import CellCost, cell_costs
from tests.sweeps.grid import grid


def costs(data: dict[str, DataRecord] | None = None, **changes: Any) -> list[CellCost]:
    """Of the cells of a small spec with these changes, in their order."""
    cells = grid(**changes)
    found = cell_costs(cells, data or {})
    return [found[cell.key] for cell in cells]


def described(*, classes: int = 2, pool: int = 1000, test: int = 100, folds: int = 0) -> dict[str, DataRecord]:
    record = DataRecord(
        name="support",
        class_names=tuple(map(str, range(classes))),
        pool=pool,
        test=test,
        test_counts=(test // classes,) * classes,
        folds=folds,
    )
    return {"support": record}


@pytest.mark.parametrize("changed", [{"steps": 8}, {"replicates": 3}, {"validation": 4000}], ids=str)
def test_longer_trials_cost_more(changed: dict[str, Any]) -> None:
    assert costs(protocol=changed)[0].trial > costs()[0].trial


def test_few_random_labels_cost_less_than_as_many_of_each_class() -> None:
    assert costs(trial={"sampling": "random"})[0].trial < costs()[0].trial


def test_a_frozen_encoder_costs_less_than_any_training() -> None:
    both = {"recipe": ["frozen", "fine_tune"], "loss": ["cross_entropy", "supcon"]}
    frozen, *others = costs(compare=both, protocol={"steps": 1, "evaluations": 1})
    assert frozen.trial < min(other.trial for other in others)
    assert frozen.confirmation < min(other.confirmation for other in others), "test rows are encoded once for all draws"


def test_pairs_of_many_classes_cost_by_the_square_of_their_rows() -> None:
    """SetFit takes minutes on eight classes where it takes seconds on two, with as many labels of each."""
    compared = {"recipe": ["setfit"], "loss": None}
    (two,), (eight,) = (costs(described(classes=classes), compare=compared) for classes in (2, 8))
    assert (eight.confirmation - 100) / (two.confirmation - 100) == 16, "beside the 100 test rows that are scored"
    assert eight.trial > 5 * two.trial


def test_a_confirmation_scores_the_rows_that_a_draw_tests() -> None:
    (whole,), (more,), (parts,) = (
        costs(data, compare={"loss": ["supcon"]})
        for data in (described(), described(test=200), described(test=200, folds=2))
    )
    assert more.confirmation - whole.confirmation == 100
    assert parts.confirmation == whole.confirmation
    assert more.trial == whole.trial, "a search never scores them"
