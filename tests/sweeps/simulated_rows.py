"""Which test rows simulated classifiers get right: rows are easy or hard for all of them, each draw trains better or
worse ones, and some trainings collapse.

Shapes: N draws, T test rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = ["collapsing_pair", "right_rows", "suited_pair"]

Floats = NDArray[np.float64]
LEVEL, COMMON_SD, OWN_SD = 0.75, 0.04, 0.035
"""The accuracy of a trained classifier, and how much the draw moves that of all of them, and of each by itself."""


def right_rows(levels_N: Floats, hard_T: Floats, rng: np.random.Generator) -> Floats:
    """Return right_NT, of classifiers with these expected accuracies; hard_T has mean 0 and variance 1."""
    limits_N: Floats = np.sqrt(2) * special.ndtri(np.clip(levels_N, 0.001, 0.999))
    right_NT: NDArray[np.bool_] = rng.normal(0, 1, (len(levels_N), len(hard_T))) + hard_T < limits_N[:, None]
    return right_NT.astype(np.float64)


def collapsing_pair(
    draws: int, rows: int, rate: float, cost: float, rng: np.random.Generator, gain: float = 0.0
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return ours_NT, theirs_NT and collapsed_N: two arms whose means differ by `gain`, of which ours collapses at
    this rate, to one class, and loses that much accuracy."""
    hard_T, common_N = rng.normal(0, 1, rows), rng.normal(0, COMMON_SD, draws)
    collapsed_N = rng.random(draws) < rate
    ours_NT = right_rows(LEVEL + rate * cost + gain + common_N + rng.normal(0, OWN_SD, draws), hard_T, rng)
    ours_NT[collapsed_N] = np.arange(rows) < rows * (LEVEL + rate * cost + gain - cost)
    return ours_NT, right_rows(LEVEL + common_N + rng.normal(0, OWN_SD, draws), hard_T, rng), collapsed_N


def suited_pair(draws: int, rows: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return what two equally good classifiers get right: rows are easy or hard, more so for one of the two, and each
    draw trains better or worse ones."""
    easy_T = 1 + rng.normal(0, 1.5, rows)

    def right() -> Floats:
        logits_NT = easy_T + rng.normal(0, 1, rows) + rng.normal(0, 0.4, (draws, 1)) + rng.normal(0, 0.5, (draws, rows))
        right_NT: NDArray[np.bool_] = rng.random((draws, rows)) < special.expit(logits_NT)
        return right_NT.astype(np.float64)

    return right(), right()
