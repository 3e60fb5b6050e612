"""The objective: beta * cross-entropy + (1 - beta) * metric loss, from one forward pass.

Shapes: B rows, T tokens of the longest row, D embedding size, C classes, M embeddings that the metric loss sees (one
for each row, or one for each real token, or one for each token).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
    from transformers import PreTrainedModel

    from trainable.batching import Batch
    from trainable.encoder.graphs import GraphedModel
    from trainable.encoder.packing import PackedModel

__all__ = ["Embedding", "Objective", "Terms", "autocast", "balancing_weights", "forward", "sentence_embeddings"]

Embedding = Literal["cls", "mean", "last", "tokens"]


@dataclass(frozen=True, slots=True)
class Terms:
    """The objective of one batch and its terms, scalars with their graph.

    loss: what training minimises.
    cross_entropy: of the head; None where its weight is zero, since it is then not computed.
    metric_loss: likewise.
    """

    loss: Tensor
    cross_entropy: Tensor | None
    metric_loss: Tensor | None


@dataclass(frozen=True, slots=True)
class Objective:
    """Computes beta * cross-entropy + (1 - beta) * metric loss (Sosnowski et al., 2022: arXiv:2211.15195).

    beta: weight of cross-entropy, from 0 to 1.
    embedding: what the metric loss sees.
    metric_loss: module called as (embeddings_MD, labels_M) -> scalar; None only if beta is 1.
    head: module called as (embeddings_BD) -> logits_BC in place of the model's own head, or None.
    modules: what is applied to a pooled embedding before anything sees it, or None.
    padding: whether `tokens` includes padding tokens, as in the papers' code (TrialConfig.compatibility).
    weights_C: weights of the classes in cross-entropy, or None for equal ones.
    """

    beta: float
    embedding: Embedding
    metric_loss: nn.Module | None
    head: nn.Module | None = None
    modules: nn.Module | None = None
    padding: bool = False
    weights_C: Tensor | None = None

    def __call__(self, model: PreTrainedModel | GraphedModel | PackedModel, batch: Batch, *, bf16: bool) -> Terms:
        """Return the terms of `batch`.

        Both losses are computed in fp32, since proxy losses would permanently cast their proxies to the precision of
        the embeddings.
        """
        from torch.nn import functional as F  # noqa: N812

        with autocast(batch.labels_B.device, bf16=bf16):
            wanted = self.metric_loss is not None or self.head is not None
            logits_BC, hidden_BTD = forward(model, batch, hidden=wanted)
        if self.head is not None and hidden_BTD is not None:
            logits_BC = self.head(sentence_embeddings(hidden_BTD.float(), batch, self.embedding, self.modules))
        cross_entropy = F.cross_entropy(logits_BC.float(), batch.labels_B, self.weights_C) if self.beta > 0 else None
        if self.metric_loss is None or hidden_BTD is None:
            assert cross_entropy is not None, "beta is 1 where there is no metric loss"
            return Terms(cross_entropy, cross_entropy, None)
        seen = metric_inputs(hidden_BTD.float(), batch, self.embedding, self.modules, padding=self.padding)
        metric_loss = self.metric_loss(*seen)
        if cross_entropy is None:
            return Terms(metric_loss, None, metric_loss)
        return Terms(self.beta * cross_entropy + (1 - self.beta) * metric_loss, cross_entropy, metric_loss)


def balancing_weights(rows_C: NDArray[np.int64], device: torch.device) -> Tensor:
    """Return weights_C, inverse to the rows of each class that batches hold, whose mean over these rows is 1; a class
    without rows has none to be weighed."""
    import torch

    weights_C = rows_C.sum() / np.maximum(1, rows_C) / np.count_nonzero(rows_C)
    return torch.from_numpy(weights_C.astype(np.float32)).to(device)


def autocast(device: torch.device, *, bf16: bool) -> torch.autocast:
    """Return a context of mixed precision in bfloat16 if `bf16`, and of plain fp32 otherwise."""
    import torch

    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16)


def forward(
    model: PreTrainedModel | GraphedModel | PackedModel, batch: Batch, *, hidden: bool
) -> tuple[Tensor, Tensor | None]:
    """Return logits_BC of the head and, if `hidden`, the encoder's last hidden state_BTD, else None."""
    outputs = model(**batch.inputs, output_hidden_states=hidden)
    return outputs.logits, outputs.hidden_states[-1] if hidden else None


def metric_inputs(
    hidden_BTD: Tensor,
    batch: Batch,
    embedding: Embedding,
    modules: nn.Module | None = None,
    *,
    padding: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return embeddings_MD and labels_M for the metric loss.

    For `tokens`, each real token carries its sentence's label; with `padding`, each token does.
    """
    if embedding != "tokens":
        return sentence_embeddings(hidden_BTD, batch, embedding, modules), batch.labels_B
    if padding:
        return hidden_BTD.flatten(0, 1), batch.labels_B.repeat_interleave(hidden_BTD.shape[1])
    embeddings_MD = hidden_BTD.flatten(0, 1).index_select(0, batch.real_M)
    return embeddings_MD, batch.labels_B.index_select(0, batch.real_M // hidden_BTD.shape[1])


def sentence_embeddings(
    hidden_BTD: Tensor, batch: Batch, embedding: Embedding, modules: nn.Module | None = None
) -> Tensor:
    """Return embeddings_BD, one for each row: the first token for `cls`, the last real one for `last`, else the mean of
    the real tokens.

    modules: what is applied to them, or None.
    """
    pooled_BD = _pooled(hidden_BTD, batch.inputs["attention_mask"], embedding)
    return pooled_BD if modules is None else modules(pooled_BD)


def _pooled(hidden_BTD: Tensor, mask_BT: Tensor, embedding: Embedding) -> Tensor:
    import torch

    if embedding == "cls":
        return hidden_BTD[:, 0]
    if embedding == "last":  # rows are padded on the right
        return hidden_BTD[torch.arange(len(mask_BT), device=mask_BT.device), mask_BT.sum(dim=1) - 1]
    mask_BT1 = mask_BT.unsqueeze(-1).to(hidden_BTD.dtype)
    return (hidden_BTD * mask_BT1).sum(dim=1) / mask_BT1.sum(dim=1)
