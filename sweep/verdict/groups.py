"""The cells that are compared with each other: all that agree in every axis but the loss."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sweep.spec.cells import Cell, combinations
from sweep.spec.model import SweepSpec
from trainable.config import TrialConfig

__all__ = ["Group", "groups", "loss_of"]


@dataclass(frozen=True, slots=True)
class Group:
    """One combination of the axes but the loss. others: the axes beside dataset and shots, `encoder=..., beta=0.5`."""

    cells: tuple[Cell, ...]

    @property
    def config(self) -> TrialConfig:
        """A trial of the group, for the fields that all its trials share."""
        return self.cells[0].default_config()

    @property
    def others(self) -> str:
        """From the longest key: a loss that ignores an axis does not name it."""
        longest = max((_AXIS.split(cell.key)[1:] for cell in self.cells), key=len)
        return ", ".join(longest)


_AXIS = re.compile(r"/(?=[a-z_]+=)")  # values may hold slashes themselves, as `encoder=org/large` does


def groups(spec: SweepSpec) -> tuple[Group, ...]:
    """In the order of the spec's axes, the losses in theirs. One group where no loss uses what an axis compares."""
    every = tuple(combinations(spec))
    losses = len(spec.compare.get("loss", ("",)))
    found = (every[start : start + losses] for start in range(0, len(every), losses))
    return tuple({tuple(cell.key for cell in each): Group(each) for each in found}.values())


def loss_of(cell: Cell) -> str:
    """The loss of a cell, `searched` where its trials choose it."""
    return next(iter(cell.spaces)) if len(cell.spaces) == 1 else "searched"
