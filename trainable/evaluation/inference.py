"""Embeddings and class scores of a trained encoder. In every score larger = nearer.

Shapes: N rows to score, M training rows, K of them nearest to a row, B rows of a batch, D embedding size, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainable.batching import evaluation_batches
from trainable.objective import autocast, forward, sentence_embeddings

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
    from transformers import PreTrainedModel

    from trainable.batching import TokenisedRows
    from trainable.losses import LossEntry
    from trainable.objective import Embedding

__all__ = ["Outputs", "centroid_scores", "class_scores", "nearest_rows", "padded_tokens", "run_encoder"]

_ROWS = {"cpu": 64, "cuda": 512}
_TOKENS = {"cpu": 4_096, "cuda": 32_768}
_COMPARED = 4_096  # rows whose cosines to all training rows are in memory at once


@dataclass(frozen=True, slots=True)
class Outputs:
    """The encoder's outputs for N rows, in the order of the indices given, in fp32.

    logits_NC: of the classification head.
    embeddings_ND: sentence embeddings, or None unless they were asked for.
    """

    logits_NC: Tensor
    embeddings_ND: Tensor | None


def run_encoder(
    model: PreTrainedModel,
    rows: TokenisedRows,
    indices_N: NDArray[np.int64],
    *,
    device: torch.device,
    bf16: bool,
    embedding: Embedding | None = None,
    modules: nn.Module | None = None,
) -> Outputs:
    """Return the head's logits and, if `embedding` is given, sentence embeddings, without dropout or gradients.

    modules: what is applied to the pooled embeddings, or None.

    The embedding `tokens` concerns training only: here it means the mean of the tokens.
    """
    import torch

    batches = list(_batches(rows.lengths(indices_N), device.type))
    logits: list[Tensor] = []
    embeddings: list[Tensor] = []
    model.eval()  # type: ignore[no-untyped-call]
    with torch.inference_mode(), autocast(device, bf16=bf16):
        for positions_B in batches:
            batch = rows.batch(indices_N[positions_B], device)
            logits_BC, hidden_BTD = forward(model, batch, hidden=embedding is not None)
            logits.append(logits_BC.float())
            if embedding is not None and hidden_BTD is not None:
                with autocast(device, bf16=False):  # as in training, the encoder alone computes in mixed precision
                    embeddings.append(sentence_embeddings(hidden_BTD.float(), batch, embedding, modules))
        original_N = torch.from_numpy(np.argsort(np.concatenate(batches))).to(device)
        return Outputs(torch.cat(logits)[original_N], torch.cat(embeddings)[original_N] if embeddings else None)


def padded_tokens(lengths_N: NDArray[np.int64], device: str) -> int:
    """Return how many tokens, padding included, `run_encoder` reads of rows of these lengths on `cpu` or `cuda`."""
    return sum(len(batch_B) * int(lengths_N[batch_B].max()) for batch_B in _batches(lengths_N, device))


def _batches(lengths_N: NDArray[np.int64], device: str) -> Iterator[NDArray[np.int64]]:
    return evaluation_batches(lengths_N, _ROWS[device], _TOKENS[device])


def class_scores(
    entry: LossEntry,
    module: nn.Module | None,
    embeddings_ND: Tensor,
    train_embeddings_MD: Tensor | None,
    train_labels_M: Tensor,
    num_classes: int,
) -> Tensor:
    """Return scores_NC by the proxies of the metric loss or, without proxies, by the centroids of the training rows.

    Proxy scores have the loss's own temperature, so that their softmax gives its class probabilities; centroid scores
    are plain cosines.

    module: the trained metric loss, or None where there is none.
    train_embeddings_MD: may be None for a module with proxies, which does not need them.
    """
    import torch

    if entry.class_scores is not None and module is not None:
        with torch.no_grad():
            return entry.class_scores(module, embeddings_ND)
    assert train_embeddings_MD is not None, "centroids need the training rows"
    return centroid_scores(embeddings_ND, train_embeddings_MD, train_labels_M, num_classes)


def centroid_scores(
    embeddings_ND: Tensor, train_embeddings_MD: Tensor, train_labels_M: Tensor, num_classes: int
) -> Tensor:
    """Return scores_NC, the cosine to each class's centroid: the mean of its normalised training embeddings.

    A centroid is a prototype as in Snell et al., 2017 (arXiv:1703.05175), on the sphere. A class without training rows
    gets -1, the lowest cosine.
    """
    from torch.nn import functional as F  # noqa: N812

    members_MC = F.one_hot(train_labels_M, num_classes).to(train_embeddings_MD.dtype)
    centroids_CD = F.normalize(members_MC.T @ F.normalize(train_embeddings_MD, dim=1), dim=1)
    scores_NC = F.normalize(embeddings_ND, dim=1) @ centroids_CD.T
    return scores_NC.masked_fill(members_MC.sum(dim=0) == 0, -1.0)


def nearest_rows(embeddings_ND: Tensor, train_embeddings_MD: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return cosines_NK and positions_NK of the K = `count` training rows nearest to each row, the nearest first."""
    import torch
    from torch.nn import functional as F  # noqa: N812

    directions_MD = F.normalize(train_embeddings_MD, dim=1)
    nearest = [
        torch.topk(F.normalize(block_BD, dim=1) @ directions_MD.T, count)
        for block_BD in torch.split(embeddings_ND, _COMPARED)
    ]
    return torch.cat([block.values for block in nearest]), torch.cat([block.indices for block in nearest])
