"""The triplet loss over all triplets of a batch, exact, in N^2 memory.

Shapes: N rows, D embedding size; the second axis of an NN matrix is the other row of the pair.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

__all__ = ["AllTriplets"]


class AllTriplets(nn.Module):
    """Computes the mean of |a - p| - |a - n| + margin over the triplets where it is positive; zero if there are none.

    This is "batch all" of Hermans et al., 2017 (arXiv:1703.07737), on embeddings normalised to unit length.

    Listing the triplets takes N^3 memory, too much when the loss sees every token, and sampling them adds noise and
    disturbs the random state that dropout shares over losses. But the negatives that violate the margin of one pair
    (a, p) are the nearest ones of a: with a's negatives sorted by distance, a binary search counts them, and a prefix
    sum adds up their distances.

    margin: by how much negatives must be farther than positives.
    """

    def __init__(self, margin: float) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, embeddings_ND: Tensor, labels_N: Tensor) -> Tensor:
        unit_ND = F.normalize(embeddings_ND, dim=1)
        distances_NN = torch.cdist(unit_ND, unit_ND)
        same_NN = labels_N[:, None] == labels_N[None, :]
        positive_NN = same_NN ^ torch.eye(len(labels_N), dtype=torch.bool, device=labels_N.device)
        limits_NN = distances_NN + self.margin
        negatives_NN = distances_NN.masked_fill(same_NN, torch.inf).sort(dim=1).values
        counts_NN = torch.searchsorted(negatives_NN.detach(), limits_NN.detach()) * positive_NN
        # fp64: the difference of two long sums is small next to them.
        sums_NN = negatives_NN.masked_fill(negatives_NN.isinf(), 0).double().cumsum(dim=1)
        nearest_NN = F.pad(sums_NN, (1, 0)).gather(1, counts_NN)
        violation = (counts_NN * limits_NN.double() - nearest_NN).sum() / counts_NN.sum().clamp(min=1)
        return violation.to(embeddings_ND.dtype)
