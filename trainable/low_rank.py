"""Low-rank updates of an encoder's matrices, trained in place of the matrices themselves.

Hu et al., 2022 (arXiv:2106.09685): a matrix W of O x I numbers becomes W + (alpha / r) B A, where A has r x I numbers
and B has O x r, and starts at zero. Only A and B are trained. Here the sum is written into the model after every step,
and the gradient of W is turned into those of A and B by the chain rule. So whatever runs a model (without padding,
through CUDA graphs, in bf16) runs it as always, and what is kept of a training is a model like any other.

Shapes: O outputs and I inputs of a matrix, r the rank.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from trainable.config import TrialConfig
    from trainable.encoder import Encoder

__all__ = ["ALPHA", "LowRankUpdates", "Update", "linear_weights", "low_rank_updates"]

ALPHA = 16
"""What the product of the factors is multiplied with, divided by the rank: one value for all ranks, since a search of
the learning rate does as much as one of alpha (Hu et al., 2022, 4.1)."""


@dataclass(frozen=True, slots=True)
class Update:
    """The update of one matrix.

    weight: the matrix in the model.
    start: its values before the training.
    a, b: the factors, of r x I and O x r numbers; exchanged where the model keeps the matrix as I x O.
    """

    weight: nn.Parameter
    start: Tensor
    a: nn.Parameter
    b: nn.Parameter

    @classmethod
    def of(cls, weight: nn.Parameter, rank: int, generator: torch.Generator) -> Update:
        """An update that is zero: A uniform as a linear layer's weights are drawn, B zero."""
        outputs, inputs = weight.shape
        bound = 1 / math.sqrt(inputs)
        a = torch.empty(rank, inputs).uniform_(-bound, bound, generator=generator)
        factors = (nn.Parameter(each.to(weight.device)) for each in (a, torch.zeros(outputs, rank)))
        return cls(weight, weight.detach().clone(), *factors)


class LowRankUpdates:
    """The updates of all matrices of an encoder's body, for one training."""

    def __init__(self, updates: Sequence[Update], rank: int) -> None:
        self._updates = updates
        self._scale = ALPHA / rank
        self._of = {id(each.weight): each for each in updates}

    def factors_of(self, weight: Tensor) -> list[nn.Parameter]:
        """What is trained in place of a weight of the body: its factors; nothing for one that has none."""
        update = self._of.get(id(weight))
        return [] if update is None else [update.a, update.b]

    def take_gradients(self) -> None:
        """Turn the gradients of the matrices, which are given up, into those of their factors."""
        for each in self._updates:
            if (gradient := each.weight.grad) is not None:
                each.a.grad = self._scale * (each.b.detach().T @ gradient)
                each.b.grad = self._scale * (gradient @ each.a.detach().T)
                each.weight.grad = None

    def apply(self) -> None:
        """Write the updated matrices into the model."""
        with torch.no_grad():
            for each in self._updates:
                torch.addmm(each.start, each.b, each.a, alpha=self._scale, out=each.weight)


def low_rank_updates(
    config: TrialConfig, encoder: Encoder, after: nn.Module | None, seed: int
) -> LowRankUpdates | None:
    """Return the updates of the linear layers of the body that are to be trained; None where the weights themselves
    are. All other weights of the body, and of the layers `after` the pooling, are marked as not trained.

    seed: of the factors' random start.
    """
    if not config.lora_rank:
        return None
    body = {id(weight) for weight in encoder.model.base_model.parameters()}
    pretrained = [weight for name, weight in encoder.model.named_parameters() if name not in encoder.new]
    linear = linear_weights(encoder.model.base_model)
    chosen = [weight for weight in pretrained if id(weight) in linear and weight.requires_grad]
    assert chosen, "check_trained has found one"
    for weight in pretrained:
        weight.requires_grad_(weight.requires_grad and (id(weight) not in body or id(weight) in linear))
    if after is not None:
        after.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    return LowRankUpdates([Update.of(weight, config.lora_rank, generator) for weight in chosen], config.lora_rank)


def linear_weights(body: nn.Module) -> frozenset[int]:
    """Return the identities of the matrices of its linear layers."""
    from transformers.pytorch_utils import Conv1D

    return frozenset(id(module.weight) for module in body.modules() if isinstance(module, nn.Linear | Conv1D))
