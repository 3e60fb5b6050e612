"""Training of the token embeddings that a draw's rows contain, in place of the whole vocabulary's.

A few-shot sample has some hundred tokens of a vocabulary of 30,000 to 250,000. The others have no gradient: a step of
the optimiser only lets them decay. It reads and writes their gradient and moments all the same, which takes a fifth of
a step of MiniLM on a CPU, more of a multilingual encoder, and three times the memory of the embeddings. So a small
matrix of the used tokens is trained, and written back before anybody else reads the embeddings. The other tokens then
get the decay that they have missed.

Shapes: V tokens of the vocabulary, U of them used, D size of an embedding, B rows of T tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["UsedTokens", "used_tokens"]

_WORTHWHILE = 0.5  # the largest share of the vocabulary that may be used


def used_tokens(model: PreTrainedModel, ids: NDArray[np.int32], pad_id: int) -> UsedTokens | None:
    """Return what is trained of the token embeddings, or None where that is all of them, or none.

    ids: the tokens of the training rows, in any order.
    pad_id: the token that stands between rows and their padding.
    """
    table = model.get_input_embeddings()
    used_U = np.union1d(ids, [pad_id]).astype(np.int64)
    if model.device.type != "cpu" or type(table) is not nn.Embedding:  # subclasses may do more than look up
        return None
    shared = sum(weight is table.weight for _, weight in model.named_parameters(remove_duplicate=False)) > 1
    plain = table.max_norm is None and not table.scale_grad_by_freq and not table.sparse
    if shared or not plain or not table.weight.requires_grad or len(used_U) > _WORTHWHILE * table.num_embeddings:
        return None
    return UsedTokens(table, torch.from_numpy(used_U))


class UsedTokens:
    """The embeddings of used tokens, a parameter of their own while they are trained.

    table: the embeddings of the whole vocabulary.
    used_U: the used tokens, in ascending order.

    weight: embeddings_UD, which stands for `table.weight` in an optimiser.
    """

    def __init__(self, table: nn.Embedding, used_U: Tensor) -> None:
        self.table = table
        self.weight = nn.Parameter(table.weight.detach()[used_U].clone())
        self._used_U = used_U
        self._place_V = torch.full((table.num_embeddings,), -1)  # another token is an error, and no wrong embedding
        self._place_V[used_U] = torch.arange(len(used_U))
        padding = table.padding_idx
        known = padding is not None and bool((used_U == padding).any())
        self._padding = int(self._place_V[padding]) if known and padding is not None else None
        self._kept = 1.0

    @contextmanager
    def training(self) -> Iterator[None]:
        """While the context is open, the model looks its tokens up in `weight`; at its end, the table has them."""
        self.table.weight.requires_grad_(False)
        looking = self.table.register_forward_hook(self._look_up)
        try:
            yield
        finally:
            looking.remove()
            self.table.weight.requires_grad_(True)
            self._write_back()

    def decay(self, group: Mapping[str, Any]) -> None:
        """Note that the optimiser makes a step of the group that has `weight`: AdamW's decay of all other tokens."""
        self._kept *= 1 - group["lr"] * group["weight_decay"]

    def _look_up(self, module: nn.Module, inputs: tuple[Tensor, ...], outputs: Tensor) -> Tensor:
        return F.embedding(self._place_V[inputs[0]], self.weight, self._padding)

    def _write_back(self) -> None:
        with torch.no_grad():
            if self._kept != 1:
                self.table.weight.mul_(self._kept)
                self._kept = 1.0
            self.table.weight.index_copy_(0, self._used_U, self.weight)
