"""One correction over all tests of a sweep, which knows that differences to one baseline go together.

Holm's correction (1979) allows for the worst way in which tests may depend on each other. Differences to one baseline,
on the same draws and test rows, are correlated, by a half where all methods are equally noisy, and then fewer of them
err by themselves. So the largest statistic is held against the distribution of the largest of all, the next one against
that of the largest of the rest, and so on (Romano & Wolf, 2005, doi:10.1198/016214504000000539; Hothorn, Bretz &
Westfall, 2008, doi:10.1002/bimj.200810425): p-values are turned into normal scores, which are taken for jointly normal
with the correlations that the differences were seen to have. Differences to different baselines are taken for
independent, which raises the p-values (Sidak, 1967, Journal of the American Statistical Association 62).

The probability that any of K correlated scores is beyond a limit is the sum of their own probabilities times the mean
of 1 / (how many are beyond it), given that one of them is (Adler, Blanchet & Liu, 2012, Annals of Applied Probability
22). The mean is simulated with a fixed seed, and is at most 1, so that no p-value is larger than Holm's.

Shapes: K tests of a block, B simulated values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Block", "step_down"]

_SIMULATED = 1000


@dataclass(slots=True)
class Block:
    """Tests whose statistics are correlated.

    p_values_K: two-sided. correlation_KK: of their statistics.
    """

    p_values_K: ArrayLike
    correlation_KK: NDArray[np.float64]
    _scores_K: NDArray[np.float64] = field(init=False)
    _simulated_BK: NDArray[np.float64] = field(init=False)
    _tails_B: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        from scipy import special

        rng, values = np.random.default_rng(0), np.asarray(self.p_values_K, dtype=np.float64)
        self._scores_K = -special.ndtri(np.maximum(values, 1e-300) / 2)
        values_K, vectors_KK = np.linalg.eigh(self.correlation_KK)
        roots_KK = vectors_KK * np.sqrt(np.maximum(values_K, 0.0))
        self._simulated_BK = rng.normal(size=(_SIMULATED, len(values))) @ roots_KK.T
        self._tails_B = (rng.permutation(_SIMULATED) + 0.5) / _SIMULATED

    @property
    def scores(self) -> list[float]:
        """The absolute normal scores of its tests: the larger, the surer."""
        return [float(score) for score in self._scores_K]

    def any_beyond(self, limit: float, tests: Sequence[int]) -> float:
        """The probability that the largest of some of its scores is beyond a limit, if no method differs."""
        from scipy import special

        tail = float(special.ndtr(-limit))
        if len(tests) < 2:
            return 2 * tail * len(tests)
        beyond_B = -special.ndtri(self._tails_B * tail)
        shares = []
        for test in tests:  # all scores, given that this one is beyond the limit
            moved_BK = self._simulated_BK + np.outer(beyond_B - self._simulated_BK[:, test], self.correlation_KK[test])
            count_B = (np.abs(moved_BK[:, tests]) >= limit - 1e-9).sum(axis=1)
            shares.append(float((1 / count_B).mean()))
        return min(1.0, 2 * tail * sum(shares))


def step_down(blocks: Sequence[Block]) -> list[list[float]]:
    """The corrected p-values of the tests of each block, at most 1: the family-wise error rate over all blocks is at
    most the level if all that are below it are claimed."""
    left = [list(range(len(block.scores))) for block in blocks]
    order = sorted(
        ((score, number, test) for number, block in enumerate(blocks) for test, score in enumerate(block.scores)),
        key=lambda each: -each[0],
    )
    found, least = [[1.0] * len(tests) for tests in left], 0.0
    for score, number, test in order:
        beyond = np.array([block.any_beyond(score, tests) for block, tests in zip(blocks, left, strict=True)])
        none = np.log1p(-np.minimum(beyond, 1 - 1e-15)).sum()  # of small numbers, 1 - (1 - p) would leave nothing
        least = found[number][test] = max(least, float(-np.expm1(none)))
        left[number].remove(test)
    return found
