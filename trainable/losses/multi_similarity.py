"""Multi-Similarity loss: a soft maximum over the hardest positives and negatives of every row.

It uses all pairs of the batch, without the mining step of the paper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from trainable.losses.entry import LossConfig, LossEntry
from trainable.ranges import FloatRange

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ENTRY", "MultiSimilarity"]


class MultiSimilarity(LossConfig):
    """Fields of Multi-Similarity; the paper's symbol follows each description.

    base defaults to 0.5, the value of the authors' code.
    """

    name: Literal["multi_similarity"] = "multi_similarity"
    alpha: float = Field(2.0, ge=0.001, le=1000, description="inverse temperature over positives (alpha)")
    beta: float = Field(50.0, ge=0.001, le=1000, description="inverse temperature over negatives (beta)")
    base: float = Field(0.5, ge=-1, le=1, description="cosine that parts positives from negatives (lambda)")


def build(config: MultiSimilarity, _num_classes: int, _embedding_size: int) -> nn.Module:
    from pytorch_metric_learning.losses import MultiSimilarityLoss

    module: nn.Module = MultiSimilarityLoss(alpha=config.alpha, beta=config.beta, base=config.base)
    return module


ENTRY = LossEntry(
    config=MultiSimilarity,
    search={
        "alpha": FloatRange(0.01, 50.0, log=True),
        "beta": FloatRange(10.0, 100.0, log=True),
        "base": FloatRange(0.2, 0.9),
    },
    search_source="Musgrave et al., 2020 (arXiv:2003.08505) find optima of 0.01 to 14, 47 to 76 and 0.4 to 0.8.",
    build=build,
    paired_classes=1,
    paper="Wang et al., 2019 (arXiv:1904.06627), without mining",
    equation="log(1 + sum_p exp(-alpha (s_p - lambda))) / alpha + log(1 + sum_n exp(beta (s_n - lambda))) / beta; "
    "s = cosine to the other rows of the class (p) and to all other rows (n)",
)
