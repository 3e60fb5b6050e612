"""Trainings that collapse, in words: how often they did, and cautions about those that the draws did not show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sweep.verdict.collapse import unseen_cost
from sweep.verdict.limits import some
from sweep.verdict.model import Arm, Comparison
from sweep.verdict.numbers import interval, is_nothing, points

__all__ = ["collapse_cautions", "failing_to_train"]


def failing_to_train(first: Arm, base: Arm) -> str:
    """The sentence that says how often an arm and the baseline fail to train, and what their difference is where both
    do; empty where no draw showed it."""
    rates = [_fails(arm) for arm in (first, base) if arm.collapses is not None and arm.collapses.collapsed]
    if not rates:
        return ""
    text, lead = f" {' and '.join(rates)}", first.trained_lead
    if lead is None:
        return f"{text}."
    if is_nothing(lead.mean):
        where = f"has the same mean as {base.method}"
    else:
        where = f"is {'ahead of' if lead.mean > 0 else 'behind'} {base.method}, {points(lead.mean, sign=True)}"
    others = "where both train" if first.trains == base.trains == "encoder" else "in the other draws"
    return f"{text}; {others}, {first.method} {where} ({interval(lead)})."


def _fails(arm: Arm) -> str:
    """`supcon fails to train in 2 of 20 draws (10 %, 95 % interval 2 to 29 %)`"""
    found = arm.collapses
    assert found is not None
    if arm.trains != "encoder":
        draws = f"{found.collapsed} of {found.draws} draws"
        return f"{arm.method} is no better than always answering one class in {draws}"
    rate, low, high = (f"{100 * share:.0f}" for share in (found.rate, found.low, found.high))
    return (
        f"{arm.method} fails to train in {found.collapsed} of {found.draws} draws "
        f"({rate} %, 95 % interval {low} to {high} %)"
    )


def collapse_cautions(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """What a reader must know of collapses that few draws do not show."""
    yield from _seen_elsewhere(comparisons)
    yield from _never_seen(comparisons)


def _seen_elsewhere(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """What widens an interval although none of its draws shows it."""
    arms = (arm for comparison in comparisons for arm in comparison.arms)
    found = {arm.cell: arm.collapses for arm in arms if arm.collapses is not None}
    named = [
        f"{cell} ({each.in_search} of {each.searched} trainings)"
        for cell, each in found.items()
        if each.in_search and not each.collapsed
    ]
    if named:
        yield (
            f"trainings of the search collapsed, and none of the confirmation did: {some(named)}; intervals and tests "
            "allow for collapses that few draws do not show"
        )


def _never_seen(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """A claim that collapses too rare to have been seen would turn into none."""
    named = []
    for comparison in comparisons:
        base = comparison.arm(comparison.baseline)
        for arm in comparison.arms:
            if not arm.significant or arm.difference is None:
                continue
            assert base is not None, "the arm differs from it"
            lead = arm.difference.mean
            ahead = arm if lead > 0 else base
            if (most := _unseen(ahead)) > abs(lead):
                named.append(f"{ahead.cell} (ahead by {100 * abs(lead):.1f} points, could cost up to {100 * most:.1f})")
    if named:
        kind = comparisons[0].arms[0].kind
        yield (
            f"of these {kind}s no training collapsed, but collapses too rare to have been seen could cost as much as "
            f"they are ahead: {some(named)}"
        )


def _unseen(arm: Arm) -> float:
    """The most that collapses which were not seen may cost an arm; 0 for one that cannot collapse, or was seen to."""
    found = arm.collapses
    if found is None or found.seen or found.cost is None or arm.trains != "encoder":
        return 0.0
    return unseen_cost(found.draws + found.searched, found.cost)
