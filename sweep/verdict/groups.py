"""Groups of cells that are compared with each other: the cells that agree in every compared axis but the loss."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sweep.spec.cells import Cell, combinations
from sweep.spec.model import SweepSpec
from trainable.config import TrialConfig

__all__ = ["Group", "groups", "loss_of"]


@dataclass(frozen=True, slots=True)
class Group:
    """The cells of one combination of the compared axes other than the loss.

    cells: one for each loss.
    """

    cells: tuple[Cell, ...]

    @property
    def config(self) -> TrialConfig:
        """The configuration of a default trial, to read the fields that all trials of the group share."""
        return self.cells[0].default_config()

    @property
    def others(self) -> str:
        """The axes other than dataset, shots and loss: `encoder=..., beta=0.5`.

        They are read from the longest key, since the key of a loss that ignores an axis does not name it.
        """
        longest = max((_AXIS.split(cell.key)[1:] for cell in self.cells), key=len)
        return ", ".join(longest)


_AXIS = re.compile(r"/(?=[a-z_]+=)")  # values may hold slashes themselves, as `encoder=org/large` does


def groups(spec: SweepSpec) -> tuple[Group, ...]:
    """The groups in the order of the spec's axes, their cells in the order of its losses.

    Groups that differ only in an axis that no loss uses are one group.
    """
    cells = tuple(combinations(spec))
    losses = len(spec.compare.get("loss", ("",)))
    found = (cells[start : start + losses] for start in range(0, len(cells), losses))
    return tuple({tuple(cell.key for cell in group): Group(group) for group in found}.values())


def loss_of(cell: Cell) -> str:
    """The loss of a cell; `searched` if its trials choose the loss."""
    return next(iter(cell.spaces)) if len(cell.spaces) == 1 else "searched"
