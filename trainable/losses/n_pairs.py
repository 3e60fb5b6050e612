"""N-pairs loss: a softmax over the similarities of a row to one row of its class and one row of each other class.

Similarities are cosines, as in pytorch-metric-learning, instead of the paper's dot products of unnormalised vectors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from trainable.losses.entry import LossConfig, LossEntry

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ENTRY", "NPairs"]


class NPairs(LossConfig):
    """N-pairs has no field of its own."""

    name: Literal["n_pairs"] = "n_pairs"


def build(_config: NPairs, _num_classes: int, _embedding_size: int) -> nn.Module:
    from trainable.losses.modules.rounds_of_pairs import RoundsOfPairs

    return RoundsOfPairs()


ENTRY = LossEntry(
    config=NPairs,
    search={},
    build=build,
    paired_classes=2,
    paper="Sohn, 2016 (NeurIPS 2016, multi-class N-pair loss)",
    equation="log(1 + sum_{j != y} exp(x.p_j - x.p_y)), p_j another row, of class j, averaged over rounds of one pair "
    "of each class; x and p of unit length",
)
