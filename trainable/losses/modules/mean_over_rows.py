"""The mean of a loss over the rows that have something to be compared with.

Shapes: N rows.
"""

from __future__ import annotations

import torch
from pytorch_metric_learning.reducers import BaseReducer
from torch import Tensor

__all__ = ["MeanOverRows"]


class MeanOverRows(BaseReducer):  # type: ignore[misc]  # the library has no types
    """Averages over all rows that have another row of their class and one of another class; zero if there are none.

    pytorch-metric-learning averages over the rows whose loss is above zero. In fp32 that of a row which is told apart
    well is zero: the loss of one difficult row would count as the mean, and not as its share of it.
    """

    def element_reduction(self, losses: Tensor, _indices: Tensor, _embeddings: Tensor, labels: Tensor) -> Tensor:
        """Return the mean of the losses, a scalar."""
        alike_N = (labels[:, None] == labels[None, :]).sum(dim=1)
        counts_N = (alike_N > 1) & (alike_N < len(labels))
        return torch.where(counts_N, losses.flatten(), 0.0).sum() / counts_N.sum().clamp(min=1)  # circle has a column
