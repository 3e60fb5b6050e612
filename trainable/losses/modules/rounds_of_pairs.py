"""The N-pairs loss over every row of a batch.

Shapes: N rows, D embedding size, R rounds, C classes of the batch with at least two rows.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

__all__ = ["RoundsOfPairs"]


class RoundsOfPairs(nn.Module):
    """Computes the mean multi-class N-pair loss (Sohn, 2016) over several rounds; zero if no class has two rows.

    Embeddings are normalised to unit length. A round has one pair (anchor, positive) of each class; in the next round
    each class advances by one row, small classes starting over, until every row has been anchor and positive. One round
    alone, as in pytorch-metric-learning, would see the same two rows of a class at every step where a few-shot sample
    is used whole.
    """

    def forward(self, embeddings_ND: Tensor, labels_N: Tensor) -> Tensor:
        classes = [rows for rows in _rows_by_class(labels_N) if len(rows) >= 2]
        if not classes:
            return embeddings_ND.sum() * 0
        rounds = range(max(map(len, classes)))
        pairs_RC2 = torch.tensor(
            [[(rows[turn % len(rows)], rows[(turn + 1) % len(rows)]) for rows in classes] for turn in rounds],
            device=labels_N.device,
        )
        anchors_RCD, positives_RCD = F.normalize(embeddings_ND, dim=1)[pairs_RC2].unbind(2)
        cosines_RCC = anchors_RCD @ positives_RCD.transpose(1, 2)
        own_RC = torch.arange(len(classes), device=labels_N.device).expand(len(rounds), -1)
        return F.cross_entropy(cosines_RCC.flatten(0, 1), own_RC.flatten())


def _rows_by_class(labels_N: Tensor) -> list[list[int]]:
    """Return the positions of the rows of each class that occurs, in the order of the rows."""
    rows: dict[int, list[int]] = {}
    for row, label in enumerate(labels_N.tolist()):
        rows.setdefault(label, []).append(row)
    return list(rows.values())
