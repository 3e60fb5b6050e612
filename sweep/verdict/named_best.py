"""The largest of several differences, with its having been chosen for that allowed for.

Of equally good methods, the one that was lucky is named best, and its difference and interval promise what the next
draws will not hold. The difference is estimated again, given that it was the largest: Andrews, Kitagawa & McCloskey
(2024, Inference on winners, Quarterly Journal of Economics 139). Given the others, relative to it, the largest of
jointly normal differences has a truncated normal distribution, of which the median unbiased mean and an interval are
found; their hybrid interval is never outside the one that holds for all methods at once at 99.5 %. A difference far
ahead of the others stays what it is.

Shapes: K differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweep.verdict.statistics import LEVEL

__all__ = ["NamedBest", "named_best"]

_OUTER = LEVEL / 10  # what the interval for all methods at once may miss
_HALVINGS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedBest:
    """The difference of the method that is named best, a share.

    mean: its median unbiased estimate.
    low, high: interval at 95 %, over sweeps in which whichever looks best is named.
    of: the number of methods that it was the best of.
    """

    mean: float
    low: float
    high: float
    of: int


def named_best(
    means: Sequence[float],
    errors: Sequence[float],
    correlation_KK: NDArray[np.float64],
    freedom: float,
    step: float = 0.0,
) -> NamedBest | None:
    """What is known of the largest of K differences; None for one alone, where one has no uncertainty, or where another
    is as large and the step is not known.

    means, errors: of the differences, with their standard errors. correlation_KK: of the differences.
    freedom: degrees of freedom of the standard errors, by which the interval, not the estimate, is wider than a normal
        one.
    step: by which the smallest number of answers can change a mean; 0 where that is not known. Means of few answers are
        equal now and then, which normal ones never are: such a tie stands for all that would be rounded to it.
    """
    from scipy import special

    means_K, errors_K = np.array(means), np.array(errors)
    if len(means_K) < 2 or errors_K.min() <= 0:
        return None
    best = int(means_K.argmax())
    least, most = _limits(means_K, best, correlation_KK[best] * errors_K / errors_K[best], step)
    if min(means_K[best] - least, most - means_K[best]) < 1e-9:
        return None
    level, wider = (LEVEL - _OUTER) / (1 - _OUTER), special.stdtrit(freedom, LEVEL / 2) / special.ndtri(LEVEL / 2)
    low, mean, high = (
        _mean_with(share, means_K[best], factor * errors_K[best], (least, most), len(means_K))
        for share, factor in ((1 - level / 2, wider), (0.5, 1.0), (level / 2, wider))
    )
    return NamedBest(mean=mean, low=low, high=high, of=len(means_K))


def _limits(means_K: NDArray[np.float64], best: int, slopes_K: NDArray[np.float64], step: float) -> tuple[float, float]:
    """Between which values the largest difference had to lie to be the largest, but for half a step, given the others
    less what moves with it. slopes_K: by how much each moves with it."""
    rest_K = means_K - slopes_K * means_K[best] - step / 2
    others = np.arange(len(means_K)) != best
    below, above = others & (slopes_K < 1 - 1e-9), others & (slopes_K > 1 + 1e-9)
    least = (rest_K[below] / (1 - slopes_K[below])).max(initial=-np.inf)
    return float(least), float((rest_K[above] / (1 - slopes_K[above])).min(initial=np.inf))


def _mean_with(share: float, seen: float, error: float, limits: tuple[float, float], methods: int) -> float:
    """The true mean with which the truncated difference is at most what was seen with this probability."""
    from scipy import special

    outer = float(-special.ndtri(_OUTER / 2 / methods))
    low, high = seen - outer * error, seen + outer * error
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        least, most = ((limit - middle) / error for limit in limits)
        ends = special.ndtr([max(least, -outer), (seen - middle) / error, min(most, outer)])
        inside = (ends[1] - ends[0]) / max(ends[2] - ends[0], 1e-300)
        low, high = (middle, high) if inside > share else (low, middle)
    return float((low + high) / 2)
