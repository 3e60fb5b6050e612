"""ProxyNCA: a softmax over the negative squared distances to one proxy per class.

The softmax runs over all proxies, that of the row's class included, and has a temperature, as in ProxyNCA++ (Teh et
al., 2020); the original paper leaves that proxy out of the denominator and has no temperature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from trainable.losses.entry import LossConfig, LossEntry, Proxies
from trainable.ranges import FloatRange

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["ENTRY", "ProxyNCA"]


class ProxyNCA(LossConfig):
    """Fields of ProxyNCA.

    softmax_scale defaults to 9, the temperature 1/9 of ProxyNCA++: with the original paper's 1, squared distances
    between unit vectors (at most 4) cannot separate more than a few classes. It is at most 20, since beyond about 25
    the softmax of a distant row underflows in fp32: pytorch-metric-learning then drops that row, the worst one, and
    gives NaN if no row is left.
    """

    name: Literal["proxy_nca"] = "proxy_nca"
    softmax_scale: float = Field(9.0, gt=0, le=20, description="inverse temperature over the classes (1 / T)")


def build(config: ProxyNCA, num_classes: int, embedding_size: int) -> nn.Module:
    from pytorch_metric_learning.losses import ProxyNCALoss

    module: nn.Module = ProxyNCALoss(num_classes, embedding_size, softmax_scale=config.softmax_scale)
    return module


def class_scores(module: Any, embeddings_ND: Tensor) -> Tensor:
    scores_NC: Tensor = -module.softmax_scale * module.get_logits(embeddings_ND)  # its logits are squared distances
    return scores_NC


def proxies(module: Any) -> Proxies:
    return Proxies(
        weights_PD=module.proxies, scale=2 * module.softmax_scale
    )  # a squared distance of unit vectors is 2 - 2 cos


ENTRY = LossEntry(
    config=ProxyNCA,
    search={
        "softmax_scale": FloatRange(1.0, 20.0, log=True),
    },
    search_source="Musgrave et al., 2020 (arXiv:2003.08505) find optima of 8 to 14.",
    build=build,
    class_scores=class_scores,
    proxies=proxies,
    paper="Movshovitz-Attias et al., 2017 (arXiv:1703.07464), as revised by Teh et al., 2020 (arXiv:2004.01113)",
    equation="-log exp(-|x - p_y|^2 / T) / sum_c exp(-|x - p_c|^2 / T); x and p of unit length",
)
