"""Test rows that one arm gets right and another wrong, with McNemar's exact test, corrected over all slices.

A row counts as right for an arm if more than half of the draws that test it get it right: draws of one arm agree on
most rows, so that they are no rows of their own.

Shapes: N draws, T test rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sweep.explain.slices import Slice
from sweep.verdict.statistics import holm

__all__ = ["Flip", "flips", "mcnemar_p", "mostly_right"]

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """Two arms on a slice.

    part: the slice.
    other: the arm that ours is compared with.
    rows: number of rows that both were tested on.
    only_ours, only_other: how many of them one of the two gets right and the other wrong.
    p_value: of McNemar's exact test that either is as likely.
    p_corrected: the same after Holm's correction over all slices and arms.
    """

    part: Slice
    other: str
    rows: int
    only_ours: int
    only_other: int
    p_value: float
    p_corrected: float


def flips(ours_NT: Values, others: Mapping[str, Values], slices: Sequence[Slice]) -> tuple[Flip, ...]:
    """Our arm against each other one on each slice that both were tested on.

    ours_NT, others: 1 where a draw gets a row right, 0 where it does not, NaN where it does not test it.
    """
    ours_T = mostly_right(ours_NT)
    found = [
        flip
        for other, theirs_NT in others.items()
        for part in slices
        if (flip := _flip(part, other, ours_T, mostly_right(theirs_NT))).rows
    ]
    if not found:
        return ()
    corrected = holm([flip.p_value for flip in found]).tolist()
    return tuple(replace(flip, p_corrected=p) for flip, p in zip(found, corrected, strict=True))


def mcnemar_p(first: int, second: int) -> float:
    """The two-sided p-value of McNemar's exact test, from how many pairs differ in one way and in the other: that of a
    fair coin (McNemar, 1947, doi:10.1007/BF02295996); 1 where none differs."""
    from scipy import stats

    return float(stats.binomtest(first, first + second).pvalue) if first + second else 1.0


def mostly_right(right_NT: Values) -> Values:
    """For each row 1 if more than half of the draws that test it get it right, else 0; NaN where none tests it."""
    known_T = ~np.isnan(right_NT).all(axis=0)
    mostly_T = np.full(right_NT.shape[1], np.nan)
    mostly_T[known_T] = np.nanmean(right_NT[:, known_T], axis=0) > 0.5
    return mostly_T


def _flip(part: Slice, other: str, ours_T: Values, theirs_T: Values) -> Flip:
    tested_T = part.rows_T & ~np.isnan(ours_T) & ~np.isnan(theirs_T)
    ours, theirs = ours_T[tested_T] == 1, theirs_T[tested_T] == 1
    only_ours, only_other = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    p_value = mcnemar_p(only_ours, only_other)
    return Flip(
        part=part,
        other=other,
        rows=int(tested_T.sum()),
        only_ours=only_ours,
        only_other=only_other,
        p_value=p_value,
        p_corrected=p_value,
    )
