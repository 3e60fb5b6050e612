"""How far the comparison of an arm with the baseline has come, look by look, and how many draws it needs now.

A function of the first draws of both arms at each look, and of nothing that comes after, so that a sweep decides the
same whenever it is asked, interrupted or not. An arm stops by itself; the baseline is trained as long as any arm
is, so that every difference is paired on all the draws of its arm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from sweep.verdict.collapses import first_draws
from sweep.verdict.course import Course, Ended
from sweep.verdict.looks import FUTILE, Bounds, conditional_power
from sweep.verdict.model import Arm
from sweep.verdict.statistics import LEVEL, Difference, equivalence_p
from trainable.draws import CONFIRMATION_START

__all__ = ["Design", "course", "judged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """How the comparisons of a sweep are made.

    looks: numbers of draws after which they are judged, the last one being all draws.
    family: number of comparisons of the sweep.
    margin: of equivalence, as a share; 0: nothing is equivalent.
    difference: (arm, baseline) -> their paired difference; None without common draws.
    """

    looks: tuple[int, ...]
    family: int
    margin: float
    difference: Callable[[Arm, Arm], Difference | None]

    @property
    def bounds(self) -> Bounds:
        """The bounds of its tests."""
        return Bounds.of(self.looks)

    @property
    def level(self) -> float:
        """The level of the tests that end a comparison, which are corrected whatever the others find."""
        return LEVEL / self.family


@dataclass(slots=True)
class _Tests:
    """The p-values of the looks so far."""

    design: Design
    differs: list[float]
    equals: list[float]

    def look(self, number: int, found: Difference | None) -> Ended | None:
        """Judge one look, with the difference then; why the comparison ends there, if it does."""
        margin = self.design.margin
        self.differs.append(1.0 if found is None else found.p_value)
        self.equals.append(1.0 if found is None or not margin else equivalence_p(found, margin))
        if self.p_value < self.design.level:
            return Ended.DIFFERENT
        if self.p_equivalent < self.design.level:
            return Ended.EQUIVALENT
        if number == len(self.design.looks) - 1:
            return Ended.ALL
        share = _information(found, self.design.looks[number], self.design.looks[-1])
        return None if self._may_differ(share) or self._may_be_equivalent(found, share) else Ended.FUTILE

    @property
    def p_value(self) -> float:
        return self.design.bounds.sequential_p(self.differs)

    @property
    def p_equivalent(self) -> float:
        """That of a test of one side, by the bounds of two."""
        return self.design.bounds.sequential_p([min(1.0, 2 * each) for each in self.equals]) / 2

    def _may_differ(self, share: float) -> bool:
        """Whether the arm is likely enough to be shown to differ after all draws, under the trend so far."""
        last = float(self.design.bounds.nominal(self.design.level)[-1])
        return conditional_power(self.differs[-1], share, last) >= FUTILE

    def _may_be_equivalent(self, found: Difference | None, share: float) -> bool:
        """Whether it is likely enough to be shown to be equivalent."""
        from scipy import special

        if found is None or not self.design.margin:
            return False
        last = float(self.design.bounds.nominal(2 * self.design.level)[-1]) / 2
        error = _error(found) * np.sqrt(share)
        room = self.design.margin + special.ndtri(last) * error
        if room <= 0:
            return False
        spread = max(error * np.sqrt(1 - share), 1e-12)
        power = special.ndtr((room - found.mean) / spread) - special.ndtr((-room - found.mean) / spread)
        return bool(power >= FUTILE)


def course(arm: Arm, base: Arm, design: Design) -> Course:
    """How far the comparison of an arm with the baseline has come."""
    common = min(_leading(arm), _leading(base))
    looks = (draws for draws in design.looks if draws <= common)
    return judged(design, (design.difference(first_draws(arm, draws), first_draws(base, draws)) for draws in looks))


def judged(design: Design, differences: Iterable[Difference | None]) -> Course:
    """How far a comparison has come of which these are the differences at the looks so far; later ones than the one at
    which it ends are not asked for."""
    tests, ended, found, seen = _Tests(design, [], []), None, None, 0
    for number, found in enumerate(differences):
        ended, seen = tests.look(number, found), design.looks[number]
        if ended is not None:
            break
    following = next((draws for draws in design.looks if draws > seen), seen)
    return Course(
        draws=seen,
        wanted=seen if ended is not None else following,
        ended=ended,
        difference=None if found is None else _repeated(found, tests.p_value, _level(design, seen, ended)),
        p_equivalent=tests.p_equivalent if found is not None else 1.0,
    )


def _level(design: Design, draws: int, ended: Ended | None) -> float:
    """The level of the interval at a look: of one that might have shown a difference, what could have been spent."""
    if not draws or ended in (Ended.FUTILE, Ended.ALL):
        return LEVEL
    return float(design.bounds.nominal(LEVEL)[design.looks.index(draws)])


def _repeated(found: Difference, p_value: float, level: float) -> Difference:
    """The difference with the p-value of all looks together, and the interval at 1 - level."""
    from scipy import special

    if found.components is not None:
        reach = found.components.reach(level)
    else:
        reach = float(-special.stdtrit(max(1, found.n - 1), level / 2)) * _error(found)
    low, high = found.mean - reach, found.mean + reach
    if found.mixture is not None:
        mixed = found.mixture.limits(level)
        low, high = min(low, mixed[0]), max(high, mixed[1])
    return replace(found, low=low, high=high, p_value=p_value)


def _error(found: Difference) -> float:
    """The standard error of a mean difference."""
    return float(np.sqrt(found.components.variance if found.components is not None else found.sd**2 / found.n))


def _information(found: Difference | None, draws: int, last: int) -> float:
    """The share of all information that these draws give: that of the draws, or more where test rows leave what more
    draws do not lessen."""
    if found is None or found.components is None:
        return draws / last
    now, then = (found.components.variance_with(count) for count in (draws, last))
    return min(1.0, max(draws / last, then / now)) if now > 0 else 1.0


def _leading(arm: Arm) -> int:
    """How many of the first draws have ended, without a gap."""
    replicates = arm.confirmation.replicates if arm.confirmation is not None else ()
    ended = {each.evaluation.draw for each in replicates if each.evaluation.initialisation == 0}
    return next(number for number in range(len(ended) + 1) if CONFIRMATION_START + number not in ended)
