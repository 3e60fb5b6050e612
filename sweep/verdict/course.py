"""How far a comparison that is made in looks has come."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from sweep.verdict.statistics import Difference

__all__ = ["Course", "Ended"]


class Ended(StrEnum):
    """Why a comparison that is made in looks needs no more draws."""

    DIFFERENT = "different"
    EQUIVALENT = "equivalent"
    FUTILE = "futile"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How far the comparison of an arm with the baseline has come, where it is made in looks.

    draws: those of the last look, on which it is judged; 0 before the first one.
    wanted: the draws that it needs now.
    ended: why it needs no more than it has; None as long as it does.
    difference: to the baseline at the last look, with the p-value of all looks together; None before.
    p_equivalent: that of equivalence, of all looks together.
    """

    draws: int
    wanted: int
    ended: Ended | None
    difference: Difference | None = field(repr=False)
    p_equivalent: float
