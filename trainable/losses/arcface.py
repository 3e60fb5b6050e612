"""ArcFace: a softmax over the angles to one proxy per class, with a margin added to the true class's angle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from trainable.losses.entry import LossConfig, LossEntry, Proxies
from trainable.ranges import FloatRange

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["ENTRY", "ArcFace"]


class ArcFace(LossConfig):
    """Fields of ArcFace; the paper's symbol follows each description."""

    name: Literal["arcface"] = "arcface"
    margin: float = Field(28.6, ge=0, le=90, description="margin in degrees; the paper's 0.5 radians are 28.6 (m)")
    scale: float = Field(64.0, gt=0, le=1000, description="inverse temperature over the classes (s)")


def build(config: ArcFace, num_classes: int, embedding_size: int) -> nn.Module:
    from pytorch_metric_learning.losses import ArcFaceLoss

    module: nn.Module = ArcFaceLoss(
        num_classes, embedding_size, margin=config.margin, scale=config.scale, distance=bounded_cosine()
    )
    return module


def bounded_cosine() -> nn.Module:
    """Return cosine similarity bounded away from 1 and -1, where the gradient of the angle is infinite."""
    from pytorch_metric_learning.distances import CosineSimilarity

    distance: nn.Module = CosineSimilarity()
    distance.register_forward_hook(_bounded)
    return distance


def _bounded(_distance: nn.Module, _inputs: tuple[Tensor, ...], cosines_NC: Tensor) -> Tensor:
    limit = 1 - 1e-6  # 0.08 degrees; the next fp32 number below 1 is 1 - 6e-8
    return cosines_NC.clamp(-limit, limit)


def class_scores(module: Any, embeddings_ND: Tensor) -> Tensor:
    scores_NC: Tensor = module.get_logits(embeddings_ND)  # scaled, without the margin
    return scores_NC


def proxies(module: Any) -> Proxies:
    return Proxies(weights_PD=module.W.t(), scale=module.scale)


ENTRY = LossEntry(
    config=ArcFace,
    search={
        "margin": FloatRange(5.0, 45.0),
        "scale": FloatRange(8.0, 128.0, log=True),
    },
    search_source="Musgrave et al., 2020 (arXiv:2003.08505) find optima of 18 to 23 degrees; few classes ask for "
    "less scale.",
    build=build,
    class_scores=class_scores,
    proxies=proxies,
    paper="Deng et al., 2019 (arXiv:1801.07698), equation 3",
    equation="-log exp(s cos(theta_y + m)) / (exp(s cos(theta_y + m)) + sum_{j != y} exp(s cos theta_j)); "
    "cos theta_y - m sin m instead of cos(theta_y + m) where theta_y > pi - m",
)
