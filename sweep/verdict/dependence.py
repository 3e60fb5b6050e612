"""How the differences of several methods to one baseline go together, on the draws and test rows that all have.

Shapes: K differences, N draws, T test rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sweep.verdict.crossed import covariance
from sweep.verdict.model import Arm

__all__ = ["correlation"]

_FEWEST = 3  # draws; of two, any correlation is 1


def correlation(arms: Sequence[Arm], base: Arm) -> NDArray[np.float64]:
    """correlation_KK of the differences of K arms to the baseline; none where too little is known of them together."""
    values_KNT = _rows(arms, base)
    values_KNT = _scores(arms, base) if values_KNT is None else values_KNT
    if values_KNT is None:
        return np.eye(len(arms))
    found_KK = covariance(values_KNT) if values_KNT.shape[2] > 1 else np.atleast_2d(np.cov(values_KNT[..., 0]))
    sd_K = np.sqrt(np.diag(found_KK))
    sd_K[sd_K < 1e-12] = np.inf
    result_KK: NDArray[np.float64] = np.clip(found_KK / np.outer(sd_K, sd_K), -1, 1)
    np.fill_diagonal(result_KK, 1.0)
    return result_KK


def _rows(arms: Sequence[Arm], base: Arm) -> NDArray[np.float64] | None:
    """What each row contributes to each difference; None where that is not known of all arms on several draws."""
    places = [place for place in base.rows_by_draw if all(place in arm.rows_by_draw for arm in arms)]
    if len(places) < _FEWEST:
        return None
    base_NT = np.stack([base.rows_by_draw[place] for place in places])
    values_KNT = np.stack([np.stack([arm.rows_by_draw[place] for place in places]) - base_NT for arm in arms])
    alike = (np.isnan(values_KNT) == np.isnan(base_NT)).all()
    return values_KNT if alike and values_KNT.shape[2] > 1 else None


def _scores(arms: Sequence[Arm], base: Arm) -> NDArray[np.float64] | None:
    known = [each for each in zip(base.scores, *(arm.scores for arm in arms), strict=True) if None not in each]
    if len(known) < _FEWEST:
        return None
    scores_KN = np.array(known, dtype=np.float64).T
    found: NDArray[np.float64] = (scores_KN[1:] - scores_KN[0])[..., None]
    return found
