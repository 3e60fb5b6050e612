"""What another value of an axis brings each method, as another encoder: differences across comparisons, not tested.

The tests of a verdict are those of methods within one value of each other axis. All winners of a dataset were confirmed
on the same draws, though, so that those of one method at two values of an axis are paired as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import nan

from sweep.spec.groups import CONDITIONS, Group, axis_of
from sweep.verdict.comparisons import allowing_difference
from sweep.verdict.model import Comparison
from sweep.verdict.statistics import Difference

__all__ = ["AxisDifference", "axis_differences"]

_Pair = tuple[Group, Comparison]


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisDifference:
    """One method at two values of an axis, all else being equal.

    comparison: the title of the comparison at `value`.
    value, base: as `encoder=roberta-large` and `encoder=roberta-base`; the base is the axis's first value.
    difference: of `value` to `base`; its p-value is NaN, since it is not tested.
    """

    comparison: str
    method: str
    value: str
    base: str
    difference: Difference


def axis_differences(groups: Sequence[Group], comparisons: Sequence[Comparison]) -> tuple[AxisDifference, ...]:
    """The differences of each method to the first value of each axis, where the others agree; once where it ignores
    another axis, at whose values its cells are the same.

    groups: those of the comparisons, in their order.
    """
    pairs = list(zip(groups, comparisons, strict=True))
    found = (
        each
        for pair in pairs
        for place, value in enumerate(pair[0].common)
        if (axis := axis_of(value)) != value and axis not in CONDITIONS
        for each in _to_first(pair, next(other for other in pairs if _are_alike(other, pair, place)), place)
    )
    first: dict[tuple[str, str], AxisDifference] = {}
    for cells, difference in found:
        first.setdefault(cells, difference)
    return tuple(first.values())


def _are_alike(one: _Pair, other: _Pair, place: int) -> bool:
    """Whether two comparisons agree in all but the value of the axis at `place`."""
    (group, comparison), (its_group, its) = one, other
    if (comparison.dataset, comparison.shots, comparison.sampling) != (its.dataset, its.shots, its.sampling):
        return False
    axes, its_axes = ([axis_of(each) for each in found.common] for found in (group, its_group))
    rest, its_rest = (found.common[:place] + found.common[place + 1 :] for found in (group, its_group))
    return axes == its_axes and rest == its_rest


def _to_first(pair: _Pair, first: _Pair, place: int) -> Iterator[tuple[tuple[str, str], AxisDifference]]:
    """The differences between two comparisons, each with the cells of its arms."""
    (group, comparison), (first_group, first_comparison) = pair, first
    if comparison is first_comparison:
        return
    for arm in comparison.arms:
        base = first_comparison.arm(arm.method)
        difference = None if base is None or base.cell == arm.cell else allowing_difference(arm, base)
        if base is not None and difference is not None:
            yield (
                (arm.cell, base.cell),
                AxisDifference(
                    comparison=comparison.title,
                    method=arm.method,
                    value=group.common[place],
                    base=first_group.common[place],
                    difference=replace(difference, p_value=nan),
                ),
            )
