"""Labelled rows in the order in which their labels should be looked at again.

A label is doubted by the models that have not trained on the row and say another class, and by a low probability of it
in a frozen classifier that was not fitted to the row:

    doubt = 1 - (share of the models that say the label + out-of-fold probability of the label) / 2

The share counts each arm once (`sweep.explain.votes`). The probability, which is what confident learning ranks by
(Northcutt, Jiang & Chuang, 2021, arXiv:1911.00068), tells rows apart of which few models say anything.

Shapes: N rows, C classes, D embedding size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweep.explain.votes import Votes

__all__ = ["Doubtful", "nearest", "ranked"]

Floats = NDArray[np.floating]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubtful:
    """A row and its label.

    row: its place among the labelled rows.
    label: the class it has.
    said: the class that models say most often, each arm counting once; None where no model says anything.
    doubt: from 0 to 1; None likewise.
    probability: of the label, out of fold; None where the row was never left out.
    saying, models: how many models say `said`, of how many that say anything.
    arms_saying, arms: how many arms say `said` more often than not, of how many that say anything.
    """

    row: int
    label: int
    said: int | None
    doubt: float | None
    probability: float | None
    saying: int = 0
    models: int = 0
    arms_saying: int = 0
    arms: int = 0

    @property
    def disputed(self) -> bool:
        """Whether models say another class more often."""
        return self.said is not None and self.said != self.label


def ranked(votes: Votes, probabilities_NC: NDArray[np.float64], labels_N: Labels) -> tuple[Doubtful, ...]:
    """All rows, the most doubtful label first; those of which no model says anything come last.

    votes: of all arms, the out-of-fold classifier among them. probabilities_NC: its mean probabilities, NaN where it
        has none; a row's doubt is then that of the votes alone.
    """
    rows_N = np.arange(len(labels_N))
    shares_NC = votes.shares()
    share_N, probability_N = shares_NC[rows_N, labels_N], probabilities_NC[rows_N, labels_N]
    doubt_N = 1 - (share_N + np.where(np.isnan(probability_N), share_N, probability_N)) / 2
    said_N = np.nan_to_num(shares_NC + 1e-6 * np.nan_to_num(probabilities_NC)).argmax(axis=1)
    order_N = np.argsort(-np.where(np.isnan(doubt_N), -1.0, doubt_N), kind="stable")
    return tuple(_row(votes, int(row), labels_N, said_N, doubt_N, probability_N) for row in order_N)


def nearest(unit_ND: Floats, labels_N: Labels, row: int, label: int, most: int = 2) -> Iterator[tuple[int, float]]:
    """The rows of a class that are nearest to a row, itself left out, with the cosine of their embeddings to its.

    unit_ND: embeddings of length 1.
    """
    cosine_N = unit_ND @ unit_ND[row]
    own = np.flatnonzero((labels_N == label) & (np.arange(len(labels_N)) != row))
    yield from ((int(other), float(cosine_N[other])) for other in own[np.argsort(-cosine_N[own], kind="stable")[:most]])


def _row(
    votes: Votes,
    row: int,
    labels_N: Labels,
    said_N: Labels,
    doubt_N: NDArray[np.float64],
    probability_N: NDArray[np.float64],
) -> Doubtful:
    label = int(labels_N[row])
    if np.isnan(doubt_N[row]):
        return Doubtful(row=row, label=label, said=None, doubt=None, probability=None)
    said = int(said_N[row])
    return Doubtful(
        row=row,
        label=label,
        said=said,
        doubt=float(doubt_N[row]),
        probability=None if np.isnan(probability_N[row]) else float(probability_N[row]),
        saying=votes.models(row, said),
        models=votes.models(row),
        arms_saying=votes.arms(row, said),
        arms=votes.arms(row),
    )
