"""Search ranges: the values that a sweep may try for one field, as plain data without a search library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Choice", "FloatRange", "IntRange", "Range", "Scalar"]

Scalar: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class FloatRange:
    """The real numbers from `low` to `high`, both included, sampled log-uniformly if `log`."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        _check_bounds(self.low, self.high, self.log)

    def contains(self, value: object) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and (self.low <= value <= self.high)


@dataclass(frozen=True, slots=True)
class IntRange:
    """The whole numbers from `low` to `high`, both included, sampled log-uniformly if `log`."""

    low: int
    high: int
    log: bool = False

    def __post_init__(self) -> None:
        _check_bounds(self.low, self.high, self.log)

    def contains(self, value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few unordered values, all different and at least one."""

    values: tuple[Scalar, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("a list of values to search must hold at least one value; received an empty list")
        if len(set(self.values)) != len(self.values):
            raise ValueError(f"a list of values to search must not repeat a value; received {list(self.values)}")

    def contains(self, value: object) -> bool:
        return value in self.values


Range: TypeAlias = FloatRange | IntRange | Choice


def _check_bounds(low: float, high: float, log: bool) -> None:
    if not low < high:
        raise ValueError(
            f"a range needs low < high; received low={low}, high={high} (for one value, write the value itself)"
        )
    if log and low <= 0:
        raise ValueError(f"a logarithmic range needs low > 0; received low={low}")
