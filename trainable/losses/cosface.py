"""CosFace: a softmax over the cosines to one proxy per class, with a margin subtracted from the true class's cosine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from trainable.losses.entry import LossConfig, LossEntry, Proxies
from trainable.ranges import FloatRange

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["ENTRY", "CosFace"]


class CosFace(LossConfig):
    """Fields of CosFace; the paper's symbol follows each description."""

    name: Literal["cosface"] = "cosface"
    margin: float = Field(0.35, ge=0, lt=1, description="margin taken from the true class's cosine (m)")
    scale: float = Field(64.0, gt=0, le=1000, description="inverse temperature over the classes (s)")


def build(config: CosFace, num_classes: int, embedding_size: int) -> nn.Module:
    from pytorch_metric_learning.losses import CosFaceLoss

    module: nn.Module = CosFaceLoss(num_classes, embedding_size, margin=config.margin, scale=config.scale)
    return module


def class_scores(module: Any, embeddings_ND: Tensor) -> Tensor:
    scores_NC: Tensor = module.get_logits(embeddings_ND)  # scaled, without the margin
    return scores_NC


def proxies(module: Any) -> Proxies:
    return Proxies(weights_PD=module.W.t(), scale=module.scale)


ENTRY = LossEntry(
    config=CosFace,
    search={
        "margin": FloatRange(0.05, 0.6),
        "scale": FloatRange(8.0, 128.0, log=True),
    },
    search_source="The paper tries 0.25 to 0.45; Musgrave et al., 2020 (arXiv:2003.08505) find 0.34 to 0.62.",
    build=build,
    class_scores=class_scores,
    proxies=proxies,
    paper="Wang et al., 2018 (arXiv:1801.09414), equation 4",
    equation="-log exp(s (cos theta_y - m)) / (exp(s (cos theta_y - m)) + sum_{j != y} exp(s cos theta_j))",
)
