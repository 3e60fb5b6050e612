"""Normalised softmax: a softmax over the cosines to one proxy per class, with a temperature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from trainable.losses.entry import LossConfig, LossEntry, Proxies
from trainable.ranges import FloatRange

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["ENTRY", "NormalizedSoftmax"]


class NormalizedSoftmax(LossConfig):
    """Fields of the normalised softmax; the paper's symbol follows the description."""

    name: Literal["normalized_softmax"] = "normalized_softmax"
    temperature: float = Field(0.05, ge=0.001, le=100, description="temperature over the classes (sigma)")


def build(config: NormalizedSoftmax, num_classes: int, embedding_size: int) -> nn.Module:
    from pytorch_metric_learning.losses import NormalizedSoftmaxLoss

    module: nn.Module = NormalizedSoftmaxLoss(num_classes, embedding_size, temperature=config.temperature)
    return module


def class_scores(module: Any, embeddings_ND: Tensor) -> Tensor:
    scores_NC: Tensor = module.get_logits(embeddings_ND)  # already divided by the temperature
    return scores_NC


def proxies(module: Any) -> Proxies:
    return Proxies(weights_PD=module.W.t(), scale=1 / module.temperature)


ENTRY = LossEntry(
    config=NormalizedSoftmax,
    search={
        "temperature": FloatRange(0.02, 0.5, log=True),
    },
    search_source="Musgrave et al., 2020 (arXiv:2003.08505) find optima of 0.06 to 0.11; the paper has 0.05.",
    build=build,
    class_scores=class_scores,
    proxies=proxies,
    paper="Zhai and Wu, 2019 (arXiv:1811.12649)",
    equation="-log exp(x.p_y / sigma) / sum_c exp(x.p_c / sigma); x and p of unit length",
)
