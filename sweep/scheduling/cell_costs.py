"""What the trials of cells cost beside each other, before any of them is timed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sweep.records.sweep import DataRecord
from sweep.spec.cells import Cell
from trainable.recipes import RECIPES
from trainable.shots import CROSS_FOLDS, selected_by, training_rows

__all__ = ["CellCost", "cell_costs"]

_TYPICAL = DataRecord(name="", class_names=("", "", "", ""), pool=2000, test=500, test_counts=())


@dataclass(frozen=True, slots=True)
class CellCost:
    """Costs in scored rows; training on a row costs as much as scoring three.

    trial: of a full trial of a cell.
    confirmation: of one training of its winner, and of scoring what a draw tests.
    """

    trial: int
    confirmation: int


def cell_costs(cells: Sequence[Cell], data: Mapping[str, DataRecord]) -> dict[str, CellCost]:
    """The cost of each cell by its key. data: by name; a dataset that is not described counts as a typical one."""
    return {cell.key: _cost(cell, data.get(cell.dataset, _TYPICAL)) for cell in cells}


def _cost(cell: Cell, data: DataRecord) -> CellCost:
    config, entry = cell.default_config(), RECIPES[cell.recipe]
    classes = len(data.class_names)
    rows = training_rows(config.shots, config.sampling, pool=data.pool, folds=data.folds, classes=classes)
    by = selected_by(config.validation, config.shots, config.sampling, pool=data.pool, classes=classes)
    trained, turns = entry.cost(config, rows), CROSS_FOLDS if by == "cross" else 1
    scored = by if isinstance(by, int) else data.pool if by == "all" else rows
    tested = data.test // max(1, data.folds)
    if entry.embeds_once:  # all trials score the same embeddings
        scored = tested = 0
    return CellCost(config.replicates * (turns * trained + config.evaluations * scored), trained + tested)
