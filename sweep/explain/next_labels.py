"""Texts without labels, in the order in which labels for them are worth most.

With few labels, what a classifier is least sure of lies close together, and much of it is odd: such texts taught less
than texts at random. So the texts are clustered (k-means), each weighing as much as the classifier is unsure of it,
and of each cluster the text nearest to its centre is labelled (Zhdanov, 2019, arXiv:1901.05954, without the choice
beforehand). `tests/benchmarks/next_labels.py` holds this against other choices.

Shapes: M texts without labels, N labelled rows, C classes, D embedding size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["NextLabel", "new_texts", "next_labels", "unsureness"]

_POWER = 2  # of how unsure the classifier is: 1 clusters what is sure too, 4 did no better

Floats = NDArray[np.floating]


@dataclass(frozen=True, slots=True, kw_only=True)
class NextLabel:
    """A text that is worth a label.

    row: its place among the texts.
    stands_for: how many texts its cluster has, itself included.
    """

    row: int
    stands_for: int


def next_labels(unit_MD: Floats, unsure_M: Floats, most: int) -> tuple[NextLabel, ...]:
    """Up to `most` texts, that of the heaviest cluster first.

    unit_MD: embeddings of length 1, of different texts.
    unsure_M: how unsure a classifier is of each text, from 0 to 1.
    """
    from sklearn.cluster import KMeans  # type: ignore[import-untyped]

    weights_M = np.maximum(unsure_M, 1e-3) ** _POWER
    distinct = len(np.unique(unit_MD, axis=0))
    count = min(most, distinct)
    if not count:
        return ()
    fitted = KMeans(count, n_init=1, random_state=0).fit(unit_MD, sample_weight=weights_M)
    cluster_M, distance_MK = fitted.labels_, fitted.transform(unit_MD)
    heaviest = np.argsort(-np.bincount(cluster_M, weights=weights_M, minlength=count), kind="stable")
    members = [np.flatnonzero(cluster_M == cluster) for cluster in heaviest]
    return tuple(
        NextLabel(row=int(own[np.argmin(distance_MK[own, cluster])]), stands_for=len(own))
        for cluster, own in zip(heaviest, members, strict=True)
        if len(own)
    )


def unsureness(probability_MC: Floats) -> NDArray[np.float64]:
    """1 less the margin between the two most probable classes: unsure_M."""
    two_M2 = np.sort(probability_MC, axis=1)[:, -2:]
    unsure_M: NDArray[np.float64] = 1 - (two_M2[:, 1] - two_M2[:, 0])
    return unsure_M


def new_texts(
    texts: Sequence[str], pairs: Sequence[str] | None, labelled: Sequence[str], labelled_pairs: Sequence[str] | None
) -> list[int]:
    """The places of texts that are not blank, not labelled already, and not there before; letters' case and runs of
    spaces do not matter."""
    seen = {_key(text, pair) for text, pair in _both(labelled, labelled_pairs)}
    found = []
    for place, (text, pair) in enumerate(_both(texts, pairs)):
        key = _key(text, pair)
        if text.strip() and key not in seen:
            seen.add(key)
            found.append(place)
    return found


def _both(texts: Sequence[str], pairs: Sequence[str] | None) -> list[tuple[str, str]]:
    return list(zip(texts, pairs if pairs is not None else [""] * len(texts), strict=True))


def _key(text: str, pair: str) -> tuple[str, str]:
    return " ".join(text.split()).casefold(), " ".join(pair.split()).casefold()
