"""How many confirmation draws a cell needs now, where comparisons are made in looks.

The answer is a function of the records alone, so that a resumed sweep decides as it would have without the
interruption. It changes only when an arm of a comparison has come to a look, and is worked out then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sweep.records.confirmation import ConfirmationRecord, Role
from sweep.spec.groups import Group, groups
from sweep.verdict.comparisons import draws_wanted, planned_tests
from trainable.draws import CONFIRMATION_START

if TYPE_CHECKING:
    from sweep.ledger.ledger import Ledger
    from sweep.spec.model import SweepSpec

__all__ = ["Looks"]

_State = tuple[tuple[str, int, int], ...]


@dataclass(slots=True)
class Looks:
    """The draws that cells need, by their comparisons; all of them unless the spec has looks."""

    ledger: Ledger
    spec: SweepSpec
    _groups: tuple[Group, ...] = ()
    _known: dict[int, tuple[_State, Mapping[str, int]]] = field(default_factory=dict)  # by position of the group

    def __post_init__(self) -> None:
        self._groups = groups(self.spec)

    def draws(self, cell: str) -> int:
        """The draws that a cell needs now, for all the comparisons that it takes part in."""
        if not self.spec.confirm.look_draws:
            return self.spec.confirm.draws
        return max(self._of_group(number)[cell] for number in self._having(cell))

    def others(self, cell: str) -> frozenset[str]:
        """The cells that `cell` is compared with, which may need more draws once it has its own."""
        if not self.spec.confirm.look_draws:
            return frozenset()
        keys = {each.key for number in self._having(cell) for each in self._groups[number].cells}
        return frozenset(keys - {cell})

    def _having(self, cell: str) -> list[int]:
        return [number for number, group in enumerate(self._groups) if cell in {each.key for each in group.cells}]

    def _of_group(self, number: int) -> Mapping[str, int]:
        group = self._groups[number]
        state = self._state(group)
        if number not in self._known or self._known[number][0] != state:
            wanted = draws_wanted(self.ledger.results(), self.spec, group, planned_tests(self._groups))
            self._known[number] = state, wanted
        return self._known[number][1]

    def _state(self, group: Group) -> _State:
        """By cell, its confirmation and the looks that it has come to."""
        keys = {cell.key for cell in group.cells}
        own = [each for each in self.ledger.confirmations() if each.cell in keys and each.role is Role.CONFIRMATION]
        return tuple(sorted((each.cell, each.number, self._looks_of(each)) for each in own))

    def _looks_of(self, record: ConfirmationRecord) -> int:
        ended = {each.evaluation.draw for each in record.replicates if each.evaluation.initialisation == 0}
        return sum(
            all(CONFIRMATION_START + number in ended for number in range(look)) for look in self.spec.confirm.look_draws
        )
