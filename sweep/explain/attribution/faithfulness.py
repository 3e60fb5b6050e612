"""Whether the words that an explanation names are those that a classifier reads.

Comprehensiveness is by how much the probability of the class falls when the first words of the ranking are left out,
and sufficiency by how much it falls when they alone remain (DeYoung et al., 2020, arXiv:1911.03429, section 4.2), as a
mean over growing shares of the words, which is the area over the perturbation curve (Samek et al., 2015,
arXiv:1509.06321). Both stand beside those of words in random order, since any text changes when it is cut.

Shapes: N texts, W words, R random orders, S shares.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweep.explain.attribution.subsets import Reader, Subset
from sweep.explain.attribution.words import TokenisedText

__all__ = ["SHARES", "Faithfulness", "faithfulness", "rank_agreement"]

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)
"""The shares of the words, as DeYoung et al. take them; at least one word."""
_ORDERS = 3

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Faithfulness:
    """By how much the probability of a text's class falls, for each of the shares.

    removed_S: without the first words of the ranking.
    kept_S: with them alone.
    removed_random_S, kept_random_S: the same of words in random order, as a mean over orders.
    """

    removed_S: Floats
    kept_S: Floats
    removed_random_S: Floats
    kept_random_S: Floats

    @property
    def comprehensiveness(self) -> float:
        """More is better."""
        return float(self.removed_S.mean())

    @property
    def sufficiency(self) -> float:
        """Less is better."""
        return float(self.kept_S.mean())


def faithfulness(
    reader: Reader,
    texts: Sequence[TokenisedText],
    classes_N: Sequence[int],
    rankings: Sequence[Floats],
) -> tuple[Faithfulness | None, ...]:
    """Judge a ranking of the words of each text; None for a text of fewer than two words, which has no order.

    rankings: for each text a number for each word, the largest first.
    """
    rng = np.random.default_rng(0)
    subsets: list[Subset] = []
    for text, label, ranking_W in zip(texts, classes_N, rankings, strict=True):
        subsets += [(text, kept, label) for kept in _kept(text, ranking_W, rng)]
    _, probability_J = reader.read(subsets)
    found, first = [], 0
    for text in texts:
        end = first + _count(text)
        found.append(_judged(text, probability_J[first:end]))
        first = end
    return tuple(found)


def rank_agreement(first_W: Floats, second_W: Floats, read: NDArray[np.int64]) -> float | None:
    """Kendall's tau-b of two rankings of the words that are read; None where either has no order."""
    from scipy import stats

    if len(read) < 2 or min(np.ptp(first_W[read]), np.ptp(second_W[read])) == 0:
        return None
    return float(stats.kendalltau(first_W[read], second_W[read]).statistic)


def _sizes(words: int) -> list[int]:
    return [max(1, math.ceil(share * words)) for share in SHARES]


def _count(text: TokenisedText) -> int:
    return 1 + 2 * len(set(_sizes(len(text.read)))) * (1 + _ORDERS) if len(text.read) > 1 else 0


def _kept(text: TokenisedText, ranking_W: Floats, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """The words that stay: all of them, then for each order and size those that remain, and those that were first."""
    read = text.read
    if len(read) < 2:
        return
    yield read
    ranked = read[np.argsort(-ranking_W[read], kind="stable")]
    for order in (ranked, *(rng.permutation(read) for _ in range(_ORDERS))):
        for size in sorted(set(_sizes(len(read)))):
            yield order[size:]
            yield order[:size]


def _judged(text: TokenisedText, probability_J: Floats) -> Faithfulness | None:
    if not len(probability_J):
        return None
    sizes = _sizes(len(text.read))
    falls_OS2 = (probability_J[0] - probability_J[1:]).reshape(1 + _ORDERS, -1, 2)
    places = [sorted(set(sizes)).index(size) for size in sizes]
    falls_OS2 = falls_OS2[:, places]
    random_S2 = falls_OS2[1:].mean(axis=0)
    return Faithfulness(
        removed_S=falls_OS2[0, :, 0],
        kept_S=falls_OS2[0, :, 1],
        removed_random_S=random_S2[:, 0],
        kept_random_S=random_S2[:, 1],
    )
