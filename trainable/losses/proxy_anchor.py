"""Proxy Anchor: one proxy per class as an anchor, which attracts the rows of its class and repels all others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from trainable.losses.entry import LossConfig, LossEntry, Proxies
from trainable.ranges import FloatRange

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["ENTRY", "ProxyAnchor"]


class ProxyAnchor(LossConfig):
    """Fields of Proxy Anchor; the paper's symbol follows each description."""

    name: Literal["proxy_anchor"] = "proxy_anchor"
    margin: float = Field(0.1, ge=0, lt=1, description="distance of both classes from the boundary, a cosine (delta)")
    alpha: float = Field(32.0, gt=0, le=1000, description="inverse temperature (alpha)")


def build(config: ProxyAnchor, num_classes: int, embedding_size: int) -> nn.Module:
    from pytorch_metric_learning.losses import ProxyAnchorLoss

    module: nn.Module = ProxyAnchorLoss(num_classes, embedding_size, margin=config.margin, alpha=config.alpha)
    return module


def class_scores(module: Any, embeddings_ND: Tensor) -> Tensor:
    scores_NC: Tensor = module.alpha * module.get_logits(embeddings_ND)
    return scores_NC


def proxies(module: Any) -> Proxies:
    return Proxies(weights_PD=module.proxies, scale=module.alpha)


ENTRY = LossEntry(
    config=ProxyAnchor,
    search={
        "margin": FloatRange(0.0, 0.5),
        "alpha": FloatRange(1.0, 64.0, log=True),
    },
    search_source="The paper uses 0.1 and 32; alpha is searched downwards from there, since a strong one drowns "
    "cross-entropy where there are few classes.",
    build=build,
    class_scores=class_scores,
    proxies=proxies,
    proxy_start="centroids",  # at random, of two classes, some trainings end below the frozen encoder
    paper="Kim et al., 2020 (arXiv:2003.13911), equation 4",
    equation="mean over p in P+ of log(1 + sum_{x of p} exp(-alpha (s(x, p) - delta))) "
    "+ mean over all p of log(1 + sum_{x not of p} exp(alpha (s(x, p) + delta))); s = cosine, P+ = proxies with rows",
)
