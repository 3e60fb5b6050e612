"""SupCon: supervised contrastive learning, a softmax over the similarities to the other rows of the batch.

The embeddings themselves are compared, without a projection head. A batch of a single class has zero loss, since
pytorch-metric-learning then finds no negatives; the paper's formula would push the rows of that class apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from trainable.losses.entry import LossConfig, LossEntry
from trainable.ranges import FloatRange

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ENTRY", "SupCon"]


class SupCon(LossConfig):
    """Fields of SupCon; the paper's symbol follows the description."""

    name: Literal["supcon"] = "supcon"
    temperature: float = Field(0.1, ge=0.001, le=100, description="temperature over the rows of the batch (tau)")


def build(config: SupCon, _num_classes: int, _embedding_size: int) -> nn.Module:
    from pytorch_metric_learning.losses import SupConLoss

    from trainable.losses.modules.mean_over_rows import MeanOverRows

    module: nn.Module = SupConLoss(temperature=config.temperature, reducer=MeanOverRows())
    return module


ENTRY = LossEntry(
    config=SupCon,
    search={
        "temperature": FloatRange(0.03, 1.0, log=True),
    },
    search_source="Gunel et al., 2021 (arXiv:2011.01403) use 0.1 to 0.7 for text, the code of TripleEntropy "
    "(arXiv:2112.08462) 0.6, the paper 0.1.",
    build=build,
    paired_classes=1,
    paper="Khosla et al., 2020 (arXiv:2004.11362), equation 2 (L_out)",
    equation="-mean over p of y's other rows of log exp(x.x_p / tau) / sum_{a != x} exp(x.x_a / tau); x of unit length",
)
