"""SoftTriple: a softmax over classes, each represented by several learned centres."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from trainable.losses.entry import LossConfig, LossEntry, Proxies
from trainable.ranges import FloatRange, IntRange

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["ENTRY", "SoftTriple"]


class SoftTriple(LossConfig):
    """Fields of SoftTriple; the paper's symbol follows each description."""

    name: Literal["soft_triple"] = "soft_triple"
    centers_per_class: int = Field(10, ge=1, le=10_000, description="learned centres of each class (K)")
    la: float = Field(20.0, gt=0, le=1000, description="inverse temperature over classes (lambda)")
    gamma: float = Field(0.1, ge=0.001, le=1000, description="temperature over the centres of a class (gamma)")
    margin: float = Field(0.01, ge=0, le=2, description="margin taken from the true class's similarity (delta)")


def build(config: SoftTriple, num_classes: int, embedding_size: int) -> nn.Module:
    from pytorch_metric_learning.losses import SoftTripleLoss  # imported late: a driver reads fields, not tensors

    module: nn.Module = SoftTripleLoss(
        num_classes,
        embedding_size,
        centers_per_class=config.centers_per_class,
        la=config.la,
        gamma=config.gamma,
        margin=config.margin,
    )
    return module


def class_scores(module: Any, embeddings_ND: Tensor) -> Tensor:
    scores_NC: Tensor = module.la * module.get_logits(embeddings_ND)
    return scores_NC


def proxies(module: Any) -> Proxies:
    return Proxies(weights_PD=module.fc.t(), scale=module.la, of_several="softmax", sharpness=module.gamma)


ENTRY = LossEntry(
    config=SoftTriple,
    search={
        "centers_per_class": IntRange(1, 50, log=True),
        "la": FloatRange(1.0, 100.0, log=True),
        "gamma": FloatRange(0.01, 1.0, log=True),
        "margin": FloatRange(0.0, 1.0),
    },
    search_source="Values in the code of TripleEntropy (arXiv:2112.08462), and Musgrave et al., 2020 "
    "(arXiv:2003.08505); more centres than shots hardly help.",
    build=build,
    class_scores=class_scores,
    proxies=proxies,
    paper="Qian et al., 2019 (arXiv:1909.05235), equation 9",
    equation="-log exp(la (S_y - delta)) / (exp(la (S_y - delta)) + sum_{j != y} exp(la S_j)); "
    "S_c = sum_k softmax_k(x.w_ck / gamma) x.w_ck",
)
