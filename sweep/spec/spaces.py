"""Search spaces: the ranges of the fields that a cell searches, by flat name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from math import prod, sqrt
from typing import Any

from trainable.ranges import Choice, FloatRange, IntRange, Range, Scalar
from trainable.recipes import RECIPES

__all__ = ["configurations", "deciding", "ends_of", "middle", "nearest", "reads"]


def reads(fixed: Mapping[str, Scalar], name: str, params: Mapping[str, Scalar]) -> bool:
    """Whether a trial with these fixed and searched values reads a flat field."""
    if not name.startswith("recipe."):
        return True  # at once: it is asked of every field of every trial
    flat = {**fixed, **params}
    own = {each.removeprefix("recipe."): value for each, value in flat.items() if each.startswith("recipe.")}
    return RECIPES[str(fixed["recipe"])].reads(name.removeprefix("recipe."), own)


def configurations(fixed: Mapping[str, Scalar], space: Mapping[str, Range]) -> int:
    """The number of different configurations in a space: fields that a configuration does not read make no others."""
    choices = deciding(fixed, space)
    others = {name: each for name, each in space.items() if name not in choices}
    found = 0
    for values in product(*choices.values()):
        params = dict(zip(choices, values, strict=True))
        found += prod(_count(each) for name, each in others.items() if reads(fixed, name, params))
    return found


def deciding(fixed: Mapping[str, Scalar], space: Mapping[str, Range]) -> dict[str, tuple[Scalar, ...]]:
    """The choices of a space by which others of its fields are read or not."""
    names = {f"recipe.{other}" for other, _ in RECIPES[str(fixed["recipe"])].conditions.values()}
    return {name: each.values for name, each in space.items() if name in names and isinstance(each, Choice)}


def _count(values: Range) -> int:
    """The number of different values in a range; for real numbers, more than any budget asks for."""
    if isinstance(values, Choice):
        return len(values.values)
    return values.high - values.low + 1 if isinstance(values, IntRange) else 10**9


def ends_of(values: Range) -> Sequence[Any]:
    """The least and the largest value of a range; all values of a choice."""
    return values.values if isinstance(values, Choice) else (values.low, values.high)


def middle(values: FloatRange) -> float:
    """The middle of a range, of a logarithmic one by ratios, to two digits."""
    middle = sqrt(values.low * values.high) if values.log else (values.low + values.high) / 2
    return float(f"{middle:.2g}")


def nearest(values: Range, default: Any) -> Scalar:
    """The value of a range that is nearest to the default; its first value if there is no number to compare."""
    if not isinstance(values, Choice):
        low, high = values.low, values.high
        return low if default is None else min(max(default, low), high)
    if default in values.values or not isinstance(default, int | float):
        return default if default in values.values else values.values[0]
    numbers = [value for value in values.values if isinstance(value, int | float)]
    return min(numbers, key=lambda value: abs(value - default), default=values.values[0])
