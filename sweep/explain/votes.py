"""The classes that models say a row has, of which none has trained on it.

Shapes: N rows, K models, C classes, A arms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["UNTESTED", "Votes"]

UNTESTED = -1

Classes = NDArray[np.int64]
Shares = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Votes:
    """What the models of several arms say.

    classes: their number, C.
    by_arm: of each arm, said_KN: the class that each of its models says of each row, UNTESTED where it says none.
    """

    classes: int
    by_arm: Mapping[str, Classes]

    def shares(self) -> Shares:
        """shares_NC: how many of an arm's models say each class, as a mean over the arms that say anything of a row, so
        that an arm of many models weighs no more than others. NaN where none does."""
        found_ANC = np.stack([self._shares(said_KN) for said_KN in self.by_arm.values()])
        known_AN = ~np.isnan(found_ANC[:, :, 0])
        total_NC = np.nansum(found_ANC, axis=0)
        with np.errstate(invalid="ignore"):
            shares_NC: Shares = total_NC / known_AN.sum(axis=0)[:, None]
        return shares_NC

    def models(self, row: int, said: int | None = None) -> int:
        """How many models say this class of a row; by default, any class."""
        said_K = np.concatenate([said_KN[:, row] for said_KN in self.by_arm.values()])
        return int(np.count_nonzero(said_K != UNTESTED if said is None else said_K == said))

    def arms(self, row: int, said: int | None = None) -> int:
        """How many arms say this class of a row more often than not; by default, any class at all."""
        if said is None:
            return sum(bool((said_KN[:, row] != UNTESTED).any()) for said_KN in self.by_arm.values())
        own = [said_KN[:, row][said_KN[:, row] != UNTESTED] for said_KN in self.by_arm.values()]
        return sum(2 * int(np.count_nonzero(said_K == said)) > len(said_K) for said_K in own)

    def _shares(self, said_KN: Classes) -> Shares:
        counts_NC = np.stack([(said_KN == label).sum(axis=0) for label in range(self.classes)], axis=1)
        with np.errstate(invalid="ignore"):
            shares_NC: Shares = counts_NC / counts_NC.sum(axis=1, keepdims=True)
        return shares_NC
