"""Contrastive loss: pulls rows of one class within one distance, and pushes rows of two classes beyond another.

The hinges are on unsquared distances between unit vectors, with a margin for positives too; the original paper squares
the hinges and has a margin for negatives only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from trainable.losses.entry import LossConfig, LossEntry
from trainable.ranges import FloatRange

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ENTRY", "Contrastive"]


class Contrastive(LossConfig):
    """Fields of the contrastive loss, distances between unit vectors from 0 to 2; (m) is the paper's symbol."""

    name: Literal["contrastive"] = "contrastive"
    pos_margin: float = Field(0.0, ge=0, lt=2, description="distance up to which pairs of one class add no loss")
    neg_margin: float = Field(1.0, gt=0, le=2, description="distance from which pairs of two classes add no loss (m)")

    @model_validator(mode="after")
    def _negatives_farther(self) -> Self:
        if self.neg_margin <= self.pos_margin:
            raise ValueError(
                f"neg_margin must be greater than pos_margin; received pos_margin={self.pos_margin} and "
                f"neg_margin={self.neg_margin}: raise neg_margin or lower pos_margin"
            )
        return self


def build(config: Contrastive, _num_classes: int, _embedding_size: int) -> nn.Module:
    from pytorch_metric_learning.losses import ContrastiveLoss

    module: nn.Module = ContrastiveLoss(pos_margin=config.pos_margin, neg_margin=config.neg_margin)
    return module


ENTRY = LossEntry(
    config=Contrastive,
    search={
        "pos_margin": FloatRange(0.0, 0.3),
        "neg_margin": FloatRange(0.35, 1.4),
    },
    search_source="Musgrave et al., 2020 (arXiv:2003.08505) find optima of -0.2 to 0.29 and 0.38 to 0.77. The ranges "
    "do not meet, so that every combination is valid.",
    build=build,
    paired_classes=1,
    paper="Hadsell et al., 2006 (CVPR 2006), in the form of Musgrave et al., 2020 (arXiv:2003.08505)",
    equation="mean of the positive [d_p - m_pos]+ over pairs of one class "
    "+ mean of the positive [m_neg - d_n]+ over pairs of two; d = distance of unit vectors",
)
