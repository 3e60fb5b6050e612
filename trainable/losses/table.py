"""The table of all losses that a trial can train with; each has a file of its own, here or in another package."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, TypeAlias, Union

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
from trainable.plugins import load_plugins

__all__ = ["LOSSES", "AnyLoss"]

_OWN = (
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

_PLUGINS = load_plugins("loss", LossEntry, {entry.name for entry in _OWN})
_ENTRIES = (*_OWN, *_PLUGINS)

LOSSES: Mapping[str, LossEntry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})

if TYPE_CHECKING:
    AnyLoss: TypeAlias = LossConfig
else:
    AnyLoss = Annotated[Union[tuple(entry.config for entry in _ENTRIES)], Field(discriminator="name")]  # noqa: UP007  # made of a tuple
