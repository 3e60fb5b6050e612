"""Power analysis: the chance that a comparison detects a difference, and the number of draws that it needs."""

from __future__ import annotations

from math import ceil, inf, sqrt

from sweep.verdict.crossed import Components
from sweep.verdict.repeated import RepeatedParts
from sweep.verdict.statistics import LEVEL, smallest_p

__all__ = [
    "MANY_DRAWS",
    "POWER",
    "affordable",
    "draws_needed",
    "power",
    "resolving",
    "rows_with_draws",
    "smallest_seen",
    "within",
]

POWER = 0.8
"""The power for which numbers of draws are planned."""

MANY_DRAWS = 20
"""Draws that a comparison can well afford, and on which it depends little any more."""

_MOST_DRAWS = 100_000


def power(difference: float, sd: float, draws: int, level: float = LEVEL) -> float:
    """The probability that a two-sided paired t-test detects a true mean difference.

    difference: the true mean difference.
    sd: standard deviation of the paired differences.
    draws: number of pairs.
    level: significance level of the test.

    The square of a noncentral t is a noncentral F, which covers both tails, and which scipy computes where its
    noncentral t gives NaN. The sign-flip test of a verdict has nearly the same power.
    """
    from scipy import stats

    if draws < 2:
        return 0.0
    if not difference:  # scipy 1.17.1 computes a negative probability here (its issue 26188)
        return level
    if abs(difference) >= 1e3 * sd:  # detected with certainty, where the distribution may overflow
        return 1.0
    critical = stats.t.isf(level / 2, draws - 1)
    return float(stats.ncf.sf(critical**2, 1, draws - 1, draws * (difference / sd) ** 2))


def draws_needed(difference: float, sd: float, level: float = LEVEL) -> int | None:
    """The fewest draws with which `power` reaches `POWER` and a sign-flip test can be significant at `level`.

    None if even 100,000 draws do not suffice.
    """
    low, high = 1, _MOST_DRAWS  # too few, and enough
    if smallest_p(high) > level or power(difference, sd, high, level) < POWER:
        return None
    while smallest_p(low + 1) > level:
        low += 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(difference, sd, middle, level) >= POWER else (middle, high)
    return high


def resolving(found: Components | RepeatedParts, level: float = LEVEL) -> tuple[int | None, int | None]:
    """How many draws, and how many test rows, would resolve a mean difference as large as the observed one.

    Returns the number of draws on the present test rows, and the number of test rows with the present draws, with which
    it would be significant at `level` with the power `POWER`; None where 100,000 do not suffice.

    By the normal approximation: the variance of the mean must fall to (mean / (z of the level + z of the power))^2.
    """
    variance = _resolved(found, level)
    draws, rows = (found.draws_for(variance), found.rows_for(variance)) if variance > 0 else (inf, inf)
    return _whole(draws), _whole(rows)


def rows_with_draws(found: Components | RepeatedParts, level: float = LEVEL) -> int | None:
    """The test rows that would resolve a difference, as `resolving`, with `MANY_DRAWS` draws. None where draws alone
    would, where there are as many already, or where that is not under half of the rows with the present draws."""
    variance = _resolved(found, level)
    if found.draws >= MANY_DRAWS or not variance or _whole(found.draws_for(variance)) is not None:
        return None
    rows = found.rows_for(variance, MANY_DRAWS)
    return _whole(rows) if 2 * rows < found.rows_for(variance) else None


def _resolved(found: Components | RepeatedParts, level: float) -> float:
    """The variance with which a difference as large as the observed one would be significant with the power `POWER`."""
    return (found.mean / (_z(level / 2) + _z(1 - POWER))) ** 2


def affordable(found: Components | RepeatedParts, margin: float, level: float = LEVEL) -> tuple[int | None, int | None]:
    """How many draws, and how many test rows, would show that equal arms differ by less than `margin`, a share.

    Returns the number of draws on the present test rows, and the number of test rows with the present draws, with which
    a one-sided test at `level` would show it with the power `POWER`; None where 100,000 do not suffice.
    """
    variance = (margin / (_z(level) + _z(1 - POWER))) ** 2
    return _whole(found.draws_for(variance)), _whole(found.rows_for(variance))


def smallest_seen(variance: float, level: float) -> float:
    """The smallest mean difference that a test at `level` finds with the power `POWER`, where its estimate has this
    variance; by the normal approximation, as `resolving`."""
    return (_z(level / 2) + _z(1 - POWER)) * sqrt(variance)


def within(share: float, rows: int, inflation: float = 1.0) -> float:
    """Half of the 95 % interval of an accuracy on so many rows, if it is `share`."""
    return _z(LEVEL / 2) * sqrt(inflation * share * (1 - share) / rows)


def _z(tail: float) -> float:
    """The value of a standard normal variable that is exceeded with this probability."""
    from scipy import special  # not scipy.stats, which takes a second to load, before the first line of a plan

    return -float(special.ndtri(tail))


def _whole(count: float) -> int | None:
    return max(2, ceil(count)) if count <= _MOST_DRAWS else None
