"""Groups of cells that are compared with each other: those that agree in every axis but recipe and loss."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sweep.spec.cells import Cell, grid
from sweep.spec.model import SweepSpec
from trainable.config import TrialConfig

__all__ = ["Group", "groups"]


@dataclass(frozen=True, slots=True)
class Group:
    """The cells of one combination of the compared axes other than recipe and loss.

    cells: one for each method, a recipe with its loss.
    """

    cells: tuple[Cell, ...]

    @property
    def config(self) -> TrialConfig:
        """The configuration of a default trial, to read the fields that all trials of the group share."""
        return self.cells[0].default_config()

    @property
    def others(self) -> str:
        """The axes other than dataset, shots, recipe and loss: `encoder=..., beta=0.5`.

        They are read from the longest key, since the key of a method that ignores an axis does not name it.
        """
        longest = max((_AXIS.split(cell.key)[1:] for cell in self.cells), key=len)
        return ", ".join(longest)


_AXIS = re.compile(r"/(?=[a-z_]+=)")  # values may hold slashes themselves, as `encoder=org/large` does


def groups(spec: SweepSpec) -> tuple[Group, ...]:
    """The groups in the order of the spec's axes, their cells in the order of its recipes and losses.

    Groups that differ only in an axis that no method uses are one group.
    """
    found = (Group(tuple({cell.key: cell for cell in cells}.values())) for cells in grid(spec))
    return tuple({tuple(cell.key for cell in group.cells): group for group in found}.values())
