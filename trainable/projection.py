"""A projection of the embeddings that is trained with a metric loss and thrown away after it.

What makes a metric loss small need not make a class easy to tell: a representation before a projection keeps more of
what the pretrained encoder knew (Chen et al., 2020: arXiv:2002.05709; Khosla et al., 2020: arXiv:2004.11362).

Shapes: N rows, D embedding size, P size of the projection.
"""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["ProjectedLoss"]


class ProjectedLoss(nn.Module):
    """A metric loss without weights of its own, on embeddings projected by two layers with a ReLU between them."""

    def __init__(self, loss: nn.Module, embedding_size: int, projected: int) -> None:
        super().__init__()
        assert not list(loss.parameters()), "proxies are as long as the embeddings that they are compared with"
        self.loss = loss
        self.projection = nn.Sequential(
            nn.Linear(embedding_size, embedding_size), nn.ReLU(), nn.Linear(embedding_size, projected)
        )

    def forward(self, embeddings_ND: Tensor, labels_N: Tensor) -> Tensor:
        """Return the loss, a scalar."""
        value: Tensor = self.loss(self.projection(embeddings_ND), labels_N)
        return value
