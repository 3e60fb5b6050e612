"""Triplet loss: an anchor must be nearer to a row of its class than to a row of another class, by a margin.

The loss averages over all triplets of the batch that violate the margin ("batch all"), on unsquared distances between
unit vectors; the original paper squares the distances and selects triplets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from trainable.losses.entry import LossConfig, LossEntry
from trainable.ranges import FloatRange

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ENTRY", "Triplet"]


class Triplet(LossConfig):
    """Fields of the triplet loss; the paper's symbol follows the description.

    margin defaults to pytorch-metric-learning's 0.05; the paper's 0.2 applies to squared distances.
    """

    name: Literal["triplet"] = "triplet"
    margin: float = Field(0.05, gt=0, le=2, description="by how much negatives must be farther than positives (alpha)")


def build(config: Triplet, _num_classes: int, _embedding_size: int) -> nn.Module:
    from trainable.losses.modules.all_triplets import AllTriplets

    return AllTriplets(config.margin)


ENTRY = LossEntry(
    config=Triplet,
    search={
        "margin": FloatRange(0.02, 0.5, log=True),
    },
    search_source="Musgrave et al., 2020 (arXiv:2003.08505) find optima of 0.045 to 0.14.",
    build=build,
    paired_classes=1,
    paper="Schroff et al., 2015 (arXiv:1503.03832); all triplets as in Hermans et al., 2017 (arXiv:1703.07737)",
    equation="mean over triplets with a positive term of |a - p| - |a - n| + alpha; a, p, n of unit length",
)
