"""The table of all losses that a trial can train with; each has a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import Field

from trainable.losses import (
    arcface,
    circle,
    contrastive,
    cosface,
    cross_entropy,
    multi_similarity,
    n_pairs,
    normalized_softmax,
    proxy_anchor,
    proxy_nca,
    soft_triple,
    sub_center_arcface,
    supcon,
    triplet,
)
from trainable.losses.entry import LossConfig, LossEntry

__all__ = ["LOSSES", "AnyLoss", "LossConfig", "LossEntry"]

_ENTRIES = (
    cross_entropy.ENTRY,
    soft_triple.ENTRY,
    proxy_anchor.ENTRY,
    proxy_nca.ENTRY,
    normalized_softmax.ENTRY,
    arcface.ENTRY,
    sub_center_arcface.ENTRY,
    cosface.ENTRY,
    supcon.ENTRY,
    triplet.ENTRY,
    n_pairs.ENTRY,
    multi_similarity.ENTRY,
    circle.ENTRY,
    contrastive.ENTRY,
)

LOSSES: Mapping[str, LossEntry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})

AnyLoss = Annotated[
    cross_entropy.CrossEntropy
    | soft_triple.SoftTriple
    | proxy_anchor.ProxyAnchor
    | proxy_nca.ProxyNCA
    | normalized_softmax.NormalizedSoftmax
    | arcface.ArcFace
    | sub_center_arcface.SubCenterArcFace
    | cosface.CosFace
    | supcon.SupCon
    | triplet.Triplet
    | n_pairs.NPairs
    | multi_similarity.MultiSimilarity
    | circle.Circle
    | contrastive.Contrastive,
    Field(discriminator="name"),
]
