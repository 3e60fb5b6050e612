"""Cautions about what the tests of a verdict cannot show: few draws, few rows, and rows that serve twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sweep.records.results import SweepResults
from sweep.spec.groups import Group
from sweep.verdict.model import Arm, Comparison
from sweep.verdict.power import smallest_seen
from sweep.verdict.repeated import RepeatedParts
from sweep.verdict.statistics import LEVEL, smallest_p
from trainable.dataset_config import FEW_ROWS
from trainable.recipes import RECIPES

__all__ = ["each_arm", "is_searched", "limits", "some"]

_FEW_DRAWS = 10
_SMALL_TEST_PART = 50


def limits(
    results: SweepResults, groups: Sequence[Group], comparisons: Sequence[Comparison], family: int
) -> Iterator[str]:
    """The warnings about what the tests cannot show."""
    yield from _few_draws(comparisons, family)
    yield from _few_rows(results, groups)
    yield from _unseen(comparisons, family)
    yield from _shared_rows(results, comparisons)


def is_searched(arm: Arm) -> bool:
    """Whether the arm's recipe has configurations to choose from."""
    return arm.winner is None or RECIPES[arm.winner.config.recipe.name].searchable


def _few_draws(comparisons: Sequence[Comparison], family: int) -> Iterator[str]:
    counts = [arm.summary.n for arm in each_arm(comparisons) if arm.summary is not None]
    arms = (arm for comparison in comparisons for arm in comparison.arms if not arm.significant)
    differences = [arm.difference for arm in arms if arm.difference is not None]
    pairs = [difference.n for difference in differences if difference.components is None]
    if counts and min(counts) < _FEW_DRAWS:
        few = _draws(min(counts))
        yield (
            f"some scores rest on {few} only; below {_FEW_DRAWS}, intervals cover less often than they say where a "
            "training fails now and then"
        )
    if pairs and smallest_p(min(pairs)) * family > LEVEL:
        enough = [draws for draws in range(2, 30) if smallest_p(draws) * family <= LEVEL]
        remedy = f"; raise `confirm.draws` to at least {enough[0]}" if enough else ""
        can = "cannot" if smallest_p(min(pairs)) > LEVEL else "can hardly"  # beside surer differences it may be
        yield (
            f"a difference on {_draws(min(pairs))} {can} be significant when it is corrected for {family} "
            f"test{'s' if family > 1 else ''}, even where every draw agrees{remedy}"
        )


def _few_rows(results: SweepResults, groups: Sequence[Group]) -> Iterator[str]:
    """On few rows even a large difference is one of two or three rows."""
    counts = {group.config.dataset.name: results.sweep.data.get(group.config.dataset.name) for group in groups}
    known = [data for data in counts.values() if data is not None and not data.folds]
    few = [f"{data.name} ({data.test} rows)" for data in known if data.test < _SMALL_TEST_PART]
    if few:
        yield (
            f"the test part is small, so only large differences can be seen, and intervals are wider than 95 % asks "
            f"for: {some(few)}; label more rows for it"
        )


def _unseen(comparisons: Sequence[Comparison], family: int) -> Iterator[str]:
    """What few rows cannot tell, by the variance that was seen: of the least certain comparison of each dataset."""
    said: dict[str, tuple[float, str]] = {}
    for comparison in comparisons:
        pairs = [(arm, arm.difference) for arm in comparison.arms if arm.difference is not None]
        found = [(arm, known.components) for arm, known in pairs if known.components is not None]
        open_arms = [(arm, parts) for arm, parts in found if not (arm.significant or arm.equivalent)]
        if not open_arms or open_arms[0][1].rows >= FEW_ROWS:
            continue
        points = max(100 * smallest_seen(parts.variance, LEVEL / family) for _, parts in open_arms)
        kind = "labels" if isinstance(open_arms[0][1], RepeatedParts) else "test rows"
        words = (
            f"{_draws(max(parts.draws for _, parts in open_arms))} on {open_arms[0][1].rows} {kind} cannot separate "
            f"{_named(comparison, [arm for arm, _ in open_arms])} ({comparison.title}): differences under "
            f"{points:.0f} point{'s' if round(points) != 1 else ''} may stay unseen"
        )
        said[comparison.dataset] = max(said.get(comparison.dataset, (0.0, "")), (points, words))
    yield from (words for _, words in said.values())


def _named(comparison: Comparison, open_arms: Sequence[Arm]) -> str:
    """Those that cannot be told from the baseline, if others can."""
    if len(open_arms) == len(comparison.arms) - 1:
        return f"these {len(comparison.arms)} {open_arms[0].kind}s"
    return f"{some(arm.method for arm in open_arms)} from {comparison.baseline}"


def _shared_rows(results: SweepResults, comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Where every row is tested, a search has seen the rows that test its winner, on draws of its own."""
    searched = [arm for arm in each_arm(comparisons) if is_searched(arm) and sum(arm.cost.trials.values()) > 1]
    names = {arm.winner.config.dataset.name for arm in searched if arm.winner is not None and arm.summary is not None}
    shared = [name for name in sorted(names) if name in results.sweep.data and results.sweep.data[name].folds]
    if shared:
        yield (
            f"the labels that test a winner have also chosen it, on other draws: {some(shared)}; in simulations that "
            "flattered the best of 6 configurations by 1 to 2 points, and more of them flatter more"
        )


def _draws(count: int) -> str:
    return f"{count} draw{'s' if count > 1 else ''}"


def each_arm(comparisons: Sequence[Comparison]) -> Iterator[Arm]:
    """The arm of each cell once; the cell of a method that ignores an axis takes part in several comparisons."""
    yield from {arm.cell: arm for comparison in comparisons for arm in comparison.arms}.values()


def some(names: Iterable[str], separator: str = ", ") -> str:
    """The first three names, and the number of further ones."""
    known = list(names)
    more = f" and {len(known) - 3} more" if len(known) > 3 else ""
    return separator.join(known[:3]) + more
