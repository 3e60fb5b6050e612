"""A linear head on the sentence embedding that starts at the class centroids of a draw.

Before any training it classifies as the nearest centroid of the frozen encoder does, so that fine-tuning starts from
there and not from chance.

Shapes: N rows, M training rows, C classes, D embedding size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

__all__ = ["CentroidHead", "class_centroids"]

_SCALE = 10.0
"""Length of the weights at the start, the inverse temperature of a softmax over cosines."""


def class_centroids(embeddings_MD: Tensor, labels_M: Tensor, num_classes: int) -> Tensor:
    """Return centroids_CD of length 1: the mean of each class's normalised rows (Snell et al., 2017: arXiv:1703.05175);
    zeros for a class without rows."""
    members_MC = F.one_hot(labels_M, num_classes).to(embeddings_MD.dtype)
    return F.normalize(members_MC.T @ F.normalize(embeddings_MD, dim=1), dim=1)


class CentroidHead(nn.Module):
    """Logits are weight . embedding / |embedding| + bias."""

    def __init__(self, centroids_CD: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(_SCALE * centroids_CD)
        self.bias = nn.Parameter(torch.zeros(len(centroids_CD), device=centroids_CD.device))

    def forward(self, embeddings_ND: Tensor) -> Tensor:
        """Return logits_NC."""
        return F.linear(F.normalize(embeddings_ND, dim=1), self.weight, self.bias)
