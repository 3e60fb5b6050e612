"""Circle loss: all pairs of a row, each weighted by the distance of its cosine from its optimum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from trainable.losses.entry import LossConfig, LossEntry
from trainable.ranges import FloatRange

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ENTRY", "Circle"]


class Circle(LossConfig):
    """Fields of Circle; the paper's symbol follows each description. Defaults: the paper's for image retrieval."""

    name: Literal["circle"] = "circle"
    m: float = Field(0.4, gt=0, lt=1, description="relaxation: positives aim at 1 - m, negatives at m, cosines (m)")
    gamma: float = Field(80.0, gt=0, le=10_000, description="scale of the similarities (gamma)")


def build(config: Circle, _num_classes: int, _embedding_size: int) -> nn.Module:
    from pytorch_metric_learning.losses import CircleLoss

    from trainable.losses.modules.mean_over_rows import MeanOverRows

    module: nn.Module = CircleLoss(m=config.m, gamma=config.gamma, reducer=MeanOverRows())
    return module


ENTRY = LossEntry(
    config=Circle,
    search={
        "m": FloatRange(0.1, 0.5),
        "gamma": FloatRange(16.0, 256.0, log=True),
    },
    search_source="The paper uses 0.25 and 0.4, and 80 to 256; few rows ask for less scale.",
    build=build,
    paired_classes=1,
    paper="Sun et al., 2020 (arXiv:2002.10857), equation 6",
    equation="log(1 + sum_n exp(gamma a_n (s_n - m)) sum_p exp(-gamma a_p (s_p - (1 - m)))); "
    "a_n = [s_n + m]+ and a_p = [1 + m - s_p]+ carry no gradient; s = cosine",
)
