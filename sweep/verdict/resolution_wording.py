"""What would resolve a difference, in words: more draws, more test rows, or neither."""

from __future__ import annotations

from sweep.verdict.crossed import Components
from sweep.verdict.model import Arm
from sweep.verdict.numbers import difference_of, rounded
from sweep.verdict.power import MANY_DRAWS
from sweep.verdict.repeated import RepeatedParts

__all__ = ["needed"]


def needed(arm: Arm) -> str:
    """What would resolve the difference of an arm, after a semicolon; empty where there are as many draws already."""
    difference = difference_of(arm)
    if difference.n < 2 or (arm.draws_needed is not None and arm.draws_needed <= difference.n):
        return ""
    if difference.components is not None:
        return _resolution(arm, difference.components)
    count = "more than 100,000" if arm.draws_needed is None else _about(arm, arm.draws_needed)
    return f"; {count} draws would be needed to resolve that"


def _resolution(arm: Arm, found: Components | RepeatedParts) -> str:
    """What would resolve a difference: more draws, more test rows (labelled ones, where all are tested), or neither."""
    if isinstance(found, RepeatedParts) and found.untested:
        return f"; further draws would test the other {found.untested:,} rows too"
    unit = "labelled rows" if isinstance(found, RepeatedParts) else "test rows"
    if arm.rows_with_draws is not None:
        fewer = f"{_about(arm, arm.rows_with_draws)} {unit} with {MANY_DRAWS} draws"
        return f"; no number of draws on these {found.rows:,} {unit} would resolve that, but {fewer} would"
    ways = [
        f"{_about(arm, count)} {counted}"
        for count, counted in ((arm.draws_needed, "draws"), (arm.rows_needed, unit))
        if count is not None
    ]
    if not ways:
        return f"; no number of draws on these {found.rows:,} {unit} would resolve that, nor more {unit} alone"
    if arm.draws_needed is None:
        return f"; no number of draws on these {found.rows:,} {unit} would resolve that, but {ways[0]} would"
    return f"; {' or '.join(ways)} would be needed to resolve that"


def _about(arm: Arm, count: int) -> str:
    """So many; no fewer where the test allows for collapses, of which the count knows nothing."""
    return f"{'about' if difference_of(arm).mixture is None else 'at least'} {rounded(count):,}"
