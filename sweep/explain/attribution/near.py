"""The labelled rows, and the centres or proxies of classes, that a text is nearest to.

Shapes: N texts, M labelled rows, C classes, D embedding size, Q proxies or centres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from sweep.explain.attribution.words import TokenisedText, padded, tokenised
from trainable.centroid_head import class_centroids

if TYPE_CHECKING:
    from trainable.classifier import Classifier

__all__ = ["Centre", "Examples", "NearRow", "centres", "embedded", "known_centres", "near_rows"]

_BATCH = 32
_NEAREST = 2  # rows of a class that are shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Labelled rows that a text may be near to.

    texts, labels_M: they, and the numbers of their classes; two texts of a pair as one.
    unit_MD: their embeddings by the classifier, of length 1.
    """

    texts: tuple[str, ...]
    labels_M: NDArray[np.int64]
    unit_MD: Tensor

    @classmethod
    def of(
        cls,
        classifier: Classifier,
        texts: Sequence[str],
        pairs: Sequence[str] | None,
        labels_M: NDArray[np.int64],
    ) -> Examples:
        """Embed the rows."""
        joined = texts if pairs is None else [f"{text} | {pair}" for text, pair in zip(texts, pairs, strict=True)]
        rows = tokenised(classifier, texts, pairs)
        return cls(texts=tuple(joined), labels_M=labels_M, unit_MD=embedded(classifier, rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class NearRow:
    """A labelled row near to a text: its text, its class, and the cosine of both embeddings."""

    text: str
    label: str
    cosine: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Centre:
    """The centre of a class, or its nearest proxy, and the cosine of a text's embedding to it.

    proxy: which of the class's proxies, from 1; 0 where it has one alone.
    """

    label: str
    cosine: float
    proxy: int = 0


def embedded(classifier: Classifier, texts: Sequence[TokenisedText]) -> Tensor:
    """unit_ND: the embeddings of texts, of length 1."""
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    parts = []
    classifier.model.eval()
    with torch.no_grad():
        for first in range(0, len(order), _BATCH):
            inputs = padded(classifier, [texts[place].inputs for place in order[first : first + _BATCH]])
            parts.append(F.normalize(classifier.embeddings(inputs), dim=1))
    return torch.cat(parts)[torch.argsort(torch.tensor(order))]


def known_centres(classifier: Classifier, examples: Examples | None) -> Tensor | None:
    """centroids_CD of labelled rows; None where there are none, or a class has none of them."""
    if examples is None or len(set(examples.labels_M.tolist())) < len(classifier.labels):
        return None
    labels_M = torch.from_numpy(examples.labels_M).to(examples.unit_MD.device)
    return class_centroids(examples.unit_MD, labels_M, len(classifier.labels))


def centres(classifier: Classifier, unit_ND: Tensor, centroids_CD: Tensor | None) -> list[tuple[Centre, ...]]:
    """For each text the centre, or the nearest proxy, of every class, the nearest first; empty where none is known."""
    own_QD = _own_centres(classifier)
    own_QD = centroids_CD if own_QD is None else own_QD
    if own_QD is None:
        return [() for _ in unit_ND]
    classes = len(classifier.labels)
    cosines_NCK = (unit_ND @ F.normalize(own_QD, dim=1).T).reshape(len(unit_ND), classes, -1)
    nearest_NC, proxy_NC = cosines_NCK.max(dim=2)
    several = cosines_NCK.shape[2] > 1
    return [
        tuple(
            Centre(
                label=classifier.labels[label],
                cosine=float(cosine_C[label]),
                proxy=int(proxy_C[label]) + 1 if several else 0,
            )
            for label in torch.argsort(-cosine_C, stable=True).tolist()
        )
        for cosine_C, proxy_C in zip(nearest_NC, proxy_NC, strict=True)
    ]


def near_rows(classifier: Classifier, unit_D: Tensor, examples: Examples, label: int) -> list[NearRow]:
    """The labelled rows of a class that are nearest to a text."""
    cosine_M = (examples.unit_MD @ unit_D).double().cpu().numpy()
    own = np.flatnonzero(examples.labels_M == label)
    chosen = own[np.argsort(-cosine_M[own], kind="stable")[:_NEAREST]]
    return [
        NearRow(text=examples.texts[row], label=classifier.labels[label], cosine=float(cosine_M[row])) for row in chosen
    ]


def _own_centres(classifier: Classifier) -> Tensor | None:
    """The centres or proxies that a classifier reads by, equally many of each class."""
    head = classifier.head.get("nearest", classifier.head)
    return classifier.arrays.get("centroids" if head["kind"] == "centroids" else "proxies")
