"""Confirming in looks: the draws that decide a comparison early, without more false verdicts.

At each look the test of a comparison is repeated on all draws so far, and the comparison ends where its method is shown
to be better, worse or equivalent, or where that is unlikely to follow. Tests that are repeated would err more often
than they say, so each look may spend a part of the level alone: LEVEL t^2, at the share t of all draws (the power
family of Kim & DeMets, 1987, doi:10.1093/biomet/74.1.149, with the spending of Lan & DeMets, 1983,
doi:10.1093/biomet/70.3.659). Its bounds are computed as for a Brownian motion in t (Armitage, McPherson & Rowe, 1969,
doi:10.2307/2343787), and applied to the p-values of the t-tests, as Jennison & Turnbull (2000, section 3.8) advise.
Futility is a conditional power below FUTILE under the trend seen so far (Lan, Simon & Halperin, 1982, Sequential
Analysis 1). It is not binding: the bounds hold whether or not a futile comparison ends.

The p-value of such a test is the least level at which it would have rejected (Liu & Anderson, 2008, Journal of the
American Statistical Association 103), so that Holm's correction holds over looks and arms together: Maurer & Bretz
(2013, doi:10.1080/19466315.2013.807748).

Test rows do not become more as draws do. What they leave uncertain is the same at every look, so that looks are more
alike than in a Brownian motion in t, which makes the bounds conservative.

Shapes: K looks, L levels, G places of a grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["FUTILE", "Bounds", "conditional_power"]

FUTILE = 0.05
"""The conditional power below which no more draws are trained."""
_POWER = 2.0  # of the share of the draws, in the level spent
_STEP = 0.05
_GRID = np.arange(-8.0, 8.0 + _STEP / 2, _STEP)
_LEVELS = np.geomspace(1e-8, 1.0, 97)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of a test that is repeated at K looks.

    nominal_LK: for each of L levels, what a p-value must fall below at each look for the test to reject at that level.
    """

    nominal_LK: NDArray[np.float64]

    @classmethod
    @lru_cache(maxsize=64)
    def of(cls, looks: tuple[int, ...], power: float = _POWER) -> Bounds:
        """The bounds for looks after so many draws, the last one after all of them.

        power: of the share of the draws, in the level spent.
        """
        return cls(np.maximum.accumulate(_crossing(np.array(looks) / looks[-1], _LEVELS, power), axis=0))

    def nominal(self, level: float) -> NDArray[np.float64]:
        """What a p-value must fall below at each of K looks for the test to reject at a level."""
        at = np.log(max(level, _LEVELS[0]))
        return np.array([np.exp(np.interp(at, np.log(_LEVELS), np.log(each_L))) for each_L in self.nominal_LK.T])

    def sequential_p(self, p_values: Sequence[float]) -> float:
        """The least level at which the test would have rejected at one of the looks so far, of which these are the
        p-values."""
        found = [
            np.exp(np.interp(np.log(max(p, 1e-300)), np.log(each_L), np.log(_LEVELS)))
            for p, each_L in zip(p_values, self.nominal_LK.T, strict=False)
        ]
        return float(min(found, default=1.0))


def conditional_power(p_value: float, share: float, last: float) -> float:
    """The probability that a test will reject after all draws, under the trend seen so far.

    p_value: two-sided, so far. share: of all information, that has been seen. last: nominal level of the last look.
    """
    from scipy import special

    if share >= 1:
        return float(p_value < last)
    seen, needed = _critical(np.array([p_value, last]))
    drift = seen / np.sqrt(share)
    return float(special.ndtr((drift - needed) / np.sqrt(1 - share)))


def _critical(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The absolute z-values of two-sided p-values."""
    from scipy import special

    found: NDArray[np.float64] = -special.ndtri(np.maximum(p_values, 1e-300) / 2)
    return found


def _crossing(shares_K: NDArray[np.float64], levels_L: NDArray[np.float64], power: float) -> NDArray[np.float64]:
    """nominal_LK: the two-sided p-values at whose z-values a Brownian motion crosses at each look with the probability
    that a level may spend there."""
    from scipy import special

    size = np.abs(_GRID)
    density_LG = np.tile(_normal(_GRID), (len(levels_L), 1))
    alive_LG = density_LG
    spent_LK = levels_L[:, None] * shares_K**power
    found = []
    for look, share in enumerate(shares_K):
        if look:
            kept = np.sqrt(shares_K[look - 1] / share)
            spread = np.sqrt(1 - kept**2)
            density_LG = alive_LG @ (_normal((_GRID - kept * _GRID[:, None]) / spread) / spread * _STEP)
        wanted_L = spent_LK[:, look] - (spent_LK[:, look - 1] if look else 0.0)
        bounds_L = np.array([_quantile(each_G, wanted) for each_G, wanted in zip(density_LG, wanted_L, strict=True)])
        inside_LG = np.clip((bounds_L[:, None] - size) / _STEP + 0.5, 0, 1)
        alive_LG = density_LG * inside_LG
        found.append(2 * special.ndtr(-bounds_L))
    nominal_LK: NDArray[np.float64] = np.clip(np.stack(found, axis=1), 1e-300, 1.0)
    return nominal_LK


def _quantile(density_G: NDArray[np.float64], wanted: float) -> float:
    """The z-value beyond which, on both sides together, the density holds `wanted`; 0 where all of it holds less."""
    middle = len(_GRID) // 2
    upper = density_G[middle:][::-1] + density_G[: middle + 1]
    tails = _STEP * (np.cumsum(upper) - upper / 2)
    return float(np.interp(wanted, tails, _GRID[middle:][::-1]))


def _normal(z: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return found
