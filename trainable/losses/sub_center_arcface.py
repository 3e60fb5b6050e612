"""Sub-center ArcFace: ArcFace with several proxies per class, of which the nearest one counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from trainable.losses.arcface import bounded_cosine, class_scores, proxies
from trainable.losses.entry import LossConfig, LossEntry
from trainable.ranges import FloatRange, IntRange

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ENTRY", "SubCenterArcFace"]


class SubCenterArcFace(LossConfig):
    """Fields of sub-center ArcFace; the paper's symbol follows each description."""

    name: Literal["sub_center_arcface"] = "sub_center_arcface"
    margin: float = Field(28.6, ge=0, le=90, description="margin in degrees; the paper's 0.5 radians are 28.6 (m)")
    scale: float = Field(64.0, gt=0, le=1000, description="inverse temperature over the classes (s)")
    sub_centers: int = Field(3, ge=1, le=100, description="proxies of each class (K)")


def build(config: SubCenterArcFace, num_classes: int, embedding_size: int) -> nn.Module:
    from pytorch_metric_learning.losses import SubCenterArcFaceLoss

    module: nn.Module = SubCenterArcFaceLoss(
        num_classes=num_classes,  # both sizes by keyword only
        embedding_size=embedding_size,
        margin=config.margin,
        scale=config.scale,
        sub_centers=config.sub_centers,
        distance=bounded_cosine(),
    )
    return module


ENTRY = LossEntry(
    config=SubCenterArcFace,
    search={
        "margin": FloatRange(5.0, 45.0),
        "scale": FloatRange(8.0, 128.0, log=True),
        "sub_centers": IntRange(1, 5),
    },
    search_source="As ArcFace; the paper has 3 sub-centres.",
    build=build,
    class_scores=class_scores,
    proxies=proxies,
    paper="Deng et al., 2020 (Sub-center ArcFace, ECCV 2020)",
    equation="ArcFace with theta_j = arccos(max_k cos(x, w_jk))",
)
