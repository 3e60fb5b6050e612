"""NT-Xent as a module. That of pytorch-metric-learning compares every pair with every other one: the conformance suite
found that a thousand rows would take 220 GB.

Shapes: N rows, D embedding size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

__all__ = ["NTXentModule"]

_NOTHING = -1e4  # the logarithm of no similarity at all, whose gradient is finite


class NTXentModule(nn.Module):
    """The mean over all pairs of rows of one class. temperature: tau."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, embeddings_ND: Tensor, labels_N: Tensor) -> Tensor:
        unit_ND = F.normalize(embeddings_ND, dim=1)
        cosines_NN = unit_ND @ unit_ND.T / self.temperature
        same_NN = labels_N[:, None] == labels_N[None, :]
        others_N1 = torch.logsumexp(cosines_NN.masked_fill(same_NN, _NOTHING), dim=1, keepdim=True)
        pairs_NN = same_NN & ~torch.eye(len(labels_N), dtype=torch.bool, device=labels_N.device)
        if not bool(pairs_NN.any()):
            return 0 * embeddings_ND.sum()
        return F.softplus(others_N1 - cosines_NN)[pairs_NN].mean()
