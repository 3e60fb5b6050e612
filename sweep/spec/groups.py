"""Groups of cells that are compared with each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sweep.spec.cells import Cell, grid

if TYPE_CHECKING:
    from sweep.spec.model import SweepSpec
    from trainable.config import TrialConfig

__all__ = ["CONDITIONS", "Group", "axis_of", "groups"]

CONDITIONS = ("sampling", "metric", "seed")
"""The axes, beside dataset and shots, that change the question and not what answers it."""


@dataclass(frozen=True, slots=True)
class Group:
    """Cells whose arms are compared.

    cells: one for each arm.
    names: what the arms are called: their methods, a recipe with its loss; where the sweep compares one method alone,
        their values of the other axes, as `encoder=roberta-base`.
    common: what the arms have in common beside dataset and shots: values of the other axes, as `encoder=..., beta=0.5`,
        or the only method and such values.
    kind: what an arm is, in a word: a `method`, an `encoder` if only encoders differ, or another `arm`.
    """

    cells: tuple[Cell, ...]
    names: tuple[str, ...]
    common: tuple[str, ...]
    kind: str = "method"

    @property
    def others(self) -> str:
        """What the arms have in common, in words."""
        return ", ".join(self.common)

    @property
    def config(self) -> TrialConfig:
        """The configuration of a default trial, to read the fields that all trials of the group share: dataset, shots,
        sampling, metric and seed."""
        return self.cells[0].default_config()

    def configs(self) -> Iterator[TrialConfig]:
        """That of a default trial of each cell, whose arms may be those of any other axis."""
        yield from (cell.default_config() for cell in self.cells)


def groups(spec: SweepSpec) -> tuple[Group, ...]:
    """The groups in the order of the spec's axes, their cells in the order of its recipes and losses: those that agree
    in every other axis, or where there is one method alone, in dataset, shots and what else is a condition.

    Groups that differ only in an axis that no method uses are one group.
    """
    found = [tuple({cell.key: cell for cell in cells}.values()) for cells in grid(spec)]
    found = list({tuple(cell.key for cell in cells): cells for cells in found if cells}.values())
    if all(len(cells) == 1 for cells in found):
        return tuple(_of_one_method([cell for (cell,) in found]))
    return tuple(_of_methods(cells, list(spec.compare)) for cells in found)


def _of_methods(cells: tuple[Cell, ...], axes: Sequence[str]) -> Group:
    """In the order of the axes: a cell does not name an axis that its method ignores, and none may name all."""
    read = {each: axes.index(axis_of(each)) for cell in cells for each in cell.axes}
    return Group(cells, tuple(cell.method for cell in cells), tuple(sorted(read, key=read.__getitem__)))


def _of_one_method(cells: Sequence[Cell]) -> Iterator[Group]:
    alike: dict[tuple[object, ...], list[Cell]] = {}
    for cell in cells:
        fixed = next(iter(cell.fixed.values()))
        alike.setdefault((fixed["dataset"], fixed["shots"], *_conditions(cell)), []).append(cell)
    for own in alike.values():
        if len(own) == 1:
            yield Group((own[0],), (own[0].method,), own[0].axes)
            continue
        values = [[each for each in cell.axes if each not in _conditions(cell)] for cell in own]
        kind = "encoder" if {axis_of(each) for arm in values for each in arm} == {"encoder"} else "arm"
        yield Group(tuple(own), tuple(map(", ".join, values)), (own[0].method, *_conditions(own[0])), kind)


def _conditions(cell: Cell) -> list[str]:
    return [each for each in cell.axes if axis_of(each) in CONDITIONS]


def axis_of(value: str) -> str:
    """The axis of one of its values, as `encoder` of `encoder=roberta-base`; of a method, the method."""
    return value.partition("=")[0]
