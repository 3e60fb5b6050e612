"""Checks: whether one sweep's classifier is at least as good as another's, less a margin, on the same test rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from sweep.verdict.collapses import allowing_for_collapses
from sweep.verdict.comparisons import arm_difference
from sweep.verdict.model import Arm, Comparison
from sweep.verdict.numbers import interval, points, rounded
from sweep.verdict.power import affordable
from sweep.verdict.repeated import RepeatedParts
from sweep.verdict.statistics import LEVEL, Difference, equivalence_p, noninferiority_p
from sweep.verdict.wording import METRICS

__all__ = ["Check", "Finding", "check"]


class Finding(StrEnum):
    """What a check has found of the new arm."""

    BETTER = "better"
    EQUIVALENT = "equivalent"
    AT_LEAST_AS_GOOD = "at least as good"
    WORSE = "worse"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The comparison of two arms of different sweeps, or of one.

    title: of what is compared, as `trec, 8 labels per class`.
    new, old: the arms, with the draws that both have scores of.
    difference: of the new arm to the old one, over these.
    margin: how much worse the new arm may be, a share.
    best_of: of how many arms the new one was named the best on the draws and rows that test it; 1 for one that was
        asked for, or stands alone.
    """

    title: str
    new: Arm
    old: Arm
    difference: Difference
    margin: float
    best_of: int = 1

    @property
    def level(self) -> float:
        """The level of its tests: 5 % by the number of arms of which the new one is the best, so that they err in no
        more than 5 % of checks, however it was named (Bonferroni's correction)."""
        return LEVEL / self.best_of

    @property
    def passed(self) -> bool:
        """Whether the new arm is shown to be worse by less than the margin, by a one-sided test at `level`."""
        return noninferiority_p(self.difference, self.margin) < self.level

    @property
    def finding(self) -> Finding:
        """What is shown: a difference at `level` by a two-sided test, or that it is within the margin."""
        significant = self.difference.p_value < self.level
        if significant and self.difference.mean > 0:
            return Finding.BETTER
        if equivalence_p(self.difference, self.margin) < self.level:
            return Finding.EQUIVALENT
        if significant:
            return Finding.WORSE
        return Finding.AT_LEAST_AS_GOOD if self.passed else Finding.UNDECIDED

    @property
    def sentence(self) -> str:
        """What was compared, found, and what would decide an open question."""
        found, margin = self.difference, f"{100 * self.margin:g} point{'s' if self.margin != 0.01 else ''}"
        metric = None if self.new.winner is None else self.new.winner.config.metric
        named = "" if metric in (None, "accuracy") else f", {METRICS[metric]}"
        new, old = (f"{arm.method} {_percent(arm)}" for arm in (self.new, self.old))
        text = f"{self.title}{named}: {new} against {old}: {points(found.mean, sign=True)}"
        if found.n > 1:
            text += f" ({interval(found)}, {found.n} draws)"
        return f"{text}: {self.finding}{self._meaning(margin)}{self._named()}"

    def _named(self) -> str:
        """What its having been named the best on the draws that test it does to the test."""
        if self.best_of == 1:
            return ""
        return (
            f"; tested at {100 * self.level:.2g} % instead of {100 * LEVEL:g} %, since these draws named it the best "
            f"of {self.best_of}"
        )

    def _meaning(self, margin: str) -> str:
        if self.finding is Finding.EQUIVALENT:
            return f", the difference is less than {margin}"
        if self.finding is Finding.AT_LEAST_AS_GOOD:
            return f", or worse by less than {margin}"
        if self.finding is Finding.UNDECIDED:
            return f": a loss of {margin} or more is not excluded{self._remedy()}"
        return ""

    def _remedy(self) -> str:
        if self.difference.components is None or self.margin == 0:
            return ""
        draws, rows = affordable(self.difference.components, self.margin, self.level)
        ways = [f"{rounded(draws):,} draws"] if draws else []
        unit = "labelled rows" if isinstance(self.difference.components, RepeatedParts) else "test rows"
        ways += [f"{rounded(rows):,} {unit}"] if rows else []
        what = " or ".join(ways)
        return (
            f"; if there is none, about {what} would show it" if ways else f"; more draws or {unit} alone will not do"
        )


def check(new: tuple[Comparison, Arm], old: tuple[Comparison, Arm], margin: float, *, best_of: int = 1) -> Check | None:
    """Compare two arms, each with its comparison, on the draws that both have scores of; None if there is none, or if
    the same draws have tested other rows.

    margin: how much worse the new arm may be, a share.
    best_of: of how many arms the new one was named the best on the same draws and rows.
    """
    known = (dict(zip(comparison.draws, arm.scores, strict=True)) for comparison, arm in (new, old))
    scored = [{draw for draw, score in scores.items() if score is not None} for scores in known]
    draws = [draw for draw in new[0].draws if all(draw in each for each in scored)]
    ours, theirs = (_on(draws, comparison, arm) for comparison, arm in (new, old))
    found = arm_difference(ours, theirs)
    if found is None:
        return None
    allowing = allowing_for_collapses(found, ours, theirs)
    return Check(title=new[0].title, new=ours, old=theirs, difference=allowing, margin=margin, best_of=best_of)


def _on(draws: Sequence[int], comparison: Comparison, arm: Arm) -> Arm:
    """The arm with the scores of these draws alone, in their order."""
    places = [comparison.draws.index(draw) for draw in draws]
    rows = {number: arm.rows_by_draw[place] for number, place in enumerate(places) if place in arm.rows_by_draw}
    scores, collapsed = tuple(map(arm.scores.__getitem__, places)), tuple(map(arm.collapsed.__getitem__, places))
    return replace(arm, scores=scores, collapsed=collapsed, rows_by_draw=rows)


def _percent(arm: Arm) -> str:
    return f"{100 * np.mean([score for score in arm.scores if score is not None]):.1f} %"
