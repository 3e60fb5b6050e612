"""Every loss that a trial can train with: one file each, and this table."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import Field

from trainable.losses import cross_entropy, soft_triple
from trainable.losses.entry import LossConfig, LossEntry

__all__ = ["LOSSES", "AnyLoss", "LossConfig", "LossEntry"]

_ENTRIES = (
    cross_entropy.ENTRY,
    soft_triple.ENTRY,
)

LOSSES: Mapping[str, LossEntry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})

AnyLoss = Annotated[
    cross_entropy.CrossEntropy | soft_triple.SoftTriple,
    Field(discriminator="name"),
]
