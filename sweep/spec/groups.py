"""Groups of cells that are compared with each other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sweep.spec.cells import Cell, grid

if TYPE_CHECKING:
    from sweep.spec.model import SweepSpec
    from trainable.config import TrialConfig

__all__ = ["CONDITIONS", "Group", "groups"]

_AXIS = re.compile(r"/(?=[a-z_]+=)")  # values may hold slashes themselves, as `encoder=org/large` does
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
    """

    cells: tuple[Cell, ...]
    names: tuple[str, ...]
    common: tuple[str, ...]

    @property
    def others(self) -> str:
        """What the arms have in common, in words."""
        return ", ".join(self.common)

    @property
    def config(self) -> TrialConfig:
        """The configuration of a default trial, to read the fields that all trials of the group share."""
        return self.cells[0].default_config()


def groups(spec: SweepSpec) -> tuple[Group, ...]:
    """The groups in the order of the spec's axes, their cells in the order of its recipes and losses: those that agree
    in every other axis, or where there is one method alone, in dataset, shots and what else is a condition.

    Groups that differ only in an axis that no method uses are one group.
    """
    found = [tuple({cell.key: cell for cell in cells}.values()) for cells in grid(spec)]
    found = list({tuple(cell.key for cell in cells): cells for cells in found}.values())
    if all(len(cells) == 1 for cells in found):
        return tuple(_of_one_method([cell for (cell,) in found]))
    return tuple(_of_methods(cells) for cells in found)


def _of_methods(cells: tuple[Cell, ...]) -> Group:
    """The axes are read from the longest key, since the key of a method that ignores an axis does not name it."""
    longest = max((_settings(cell) for cell in cells), key=len)
    return Group(cells, tuple(cell.method for cell in cells), tuple(longest))


def _of_one_method(cells: Sequence[Cell]) -> Iterator[Group]:
    alike: dict[tuple[object, ...], list[Cell]] = {}
    for cell in cells:
        fixed = next(iter(cell.fixed.values()))
        alike.setdefault((fixed["dataset"], fixed["shots"], *_conditions(cell)), []).append(cell)
    for own in alike.values():
        if len(own) == 1:
            yield _of_methods((own[0],))
            continue
        names = (", ".join(each for each in _settings(cell) if each not in _conditions(cell)) for cell in own)
        yield Group(tuple(own), tuple(names), (own[0].method, *_conditions(own[0])))


def _settings(cell: Cell) -> list[str]:
    """The values of the axes other than dataset, shots, recipe and loss that the cell reads."""
    return _AXIS.split(cell.key)[1:]


def _conditions(cell: Cell) -> list[str]:
    return [each for each in _settings(cell) if each.partition("=")[0] in CONDITIONS]
