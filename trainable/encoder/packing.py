"""An encoder's pass over the tokens of a batch without its padding.

Half of a few-shot batch is padding, since its rows differ in length. A CPU takes time in proportion to the numbers
that it computes, so leaving the padding out saves that half; a GPU replays a graph of one shape instead (`graphs`).
Within the layers the real tokens of all rows stand one after the other in a single row, with the positions that they
have in their own rows. Each attention takes the rows apart again, those of like length together, so that no token sees
another row. After the layers the batch is padded again, for the model's own head and whoever else reads it. The states
of real tokens are those that the padded batch would have.

Shapes: B rows, T tokens of the longest one, M real tokens of all rows, H heads, E numbers of a head, D embedding size;
of a group G rows, T tokens of its longest one, m real tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import ModuleList
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import bidirectional_mask_function

from trainable.encoder.graphs import graphed

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

    from trainable.encoder.graphs import GraphedModel

__all__ = ["PackedModel", "packed"]

_NAME = "rows_apart"
_STEP = 16
"""Rows whose lengths lie within as many tokens are attended together. Scores of a padded group are as many as its rows
times the square of its longest: on one MiniLM batch of CR a step took 0.78 of the time of one group, with 8 or 32
tokens 0.82 and 0.80."""


@dataclass(frozen=True, slots=True)
class _Padding:
    """How packed tokens stand in a padded array. mask_BT: which places are real; real_M: where, in packed order."""

    mask_BT: Tensor
    real_M: Tensor

    def padded(self, values_Mx: Tensor) -> Tensor:
        """What packed tokens have, of any shape, as an array_BTx with zeros at padding."""
        empty = values_Mx.new_zeros(self.mask_BT.numel(), *values_Mx.shape[1:])
        return empty.index_copy(0, self.real_M, values_Mx).view(*self.mask_BT.shape, *values_Mx.shape[1:])


@dataclass(frozen=True, slots=True)
class _Pass:
    """For the layers of one pass: the padding of the batch, and of each group, in packed order."""

    batch: _Padding
    groups: tuple[_Padding, ...]

    @classmethod
    def of(cls, mask_BT: Tensor) -> _Pass:
        """The rows in groups of like length, the shortest first."""
        lengths_B, width = mask_BT.sum(dim=1), mask_BT.shape[1]
        bins_B = (lengths_B - 1) // _STEP
        groups, real = [], []
        for each in torch.unique(bins_B):
            rows_G = (bins_B == each).nonzero()[:, 0]
            mask_GT = mask_BT[rows_G, : int(lengths_B[rows_G].max())]
            groups.append(_Padding(mask_GT, mask_GT.flatten().nonzero()[:, 0]))
            real.append((rows_G[:, None] * width + torch.arange(mask_GT.shape[1]))[mask_GT])
        return cls(_Padding(mask_BT, torch.cat(real)), tuple(groups))


_PASS: ContextVar[_Pass] = ContextVar("pass")


def packed(model: PreTrainedModel, first_position: int | None) -> PreTrainedModel | GraphedModel | PackedModel:
    """Return what training calls in place of `model` where nobody reads the states of padding.

    first_position: as `behaviour.Behaviour` has it; None for a model that cannot be packed.
    """
    if first_position is None or model.device.type != "cpu":
        return graphed(model)
    return PackedModel(model, first_position)


class PackedModel:
    """A model that computes the states of real tokens alone.

    Whether they and the logits are the model's own is not known of every architecture: `behaviour` tries it.

    model: the encoder with its head.
    first_position: of a row's first token, as the model numbers positions.

    Raises NotImplementedError for a model whose layers have no module of their own within the body.
    """

    def __init__(self, model: PreTrainedModel, first_position: int) -> None:
        self._model = model
        self._first_position = first_position
        self._layers = _stack(model)

    def __call__(self, *, attention_mask: Tensor, output_hidden_states: bool, **inputs: Tensor) -> Any:
        """Return `logits` and the last of `hidden_states`, hidden_BTD, which is zero at padding."""
        rows = _Pass.of(attention_mask.bool())
        real_M = rows.batch.real_M
        tokens = {name: values_BT.flatten()[real_M][None] for name, values_BT in inputs.items()}
        positions_M = real_M % attention_mask.shape[1] + self._first_position
        found: list[Tensor] = []
        with _apart(self._model, rows):
            behind = self._layers.register_forward_hook(partial(_put_back, found=found))
            try:
                outputs = self._model(**tokens, position_ids=positions_M[None])
            finally:
                behind.remove()
        return SimpleNamespace(logits=outputs.logits, hidden_states=found)


def _stack(model: PreTrainedModel) -> nn.Module:
    """The module within the body that runs its layers."""
    for module in model.base_model.modules():
        if any(isinstance(child, ModuleList) for child in module.children()):
            if module is model.base_model:
                break
            return module
    raise NotImplementedError("the layers must have a module of their own")


@contextmanager
def _apart(model: PreTrainedModel, rows: _Pass) -> Iterator[None]:
    before = model.config._attn_implementation
    token = _PASS.set(rows)
    model.set_attn_implementation(_NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)
        _PASS.reset(token)


def _put_back(module: nn.Module, inputs: Any, outputs: Any, *, found: list[Tensor]) -> Any:
    """Make the last hidden state a padded batch, and remember it."""
    found.append(_PASS.get().batch.padded(outputs.last_hidden_state[0]))
    outputs.last_hidden_state = found[-1]
    return outputs


def _attend(
    module: Any, query_1HME: Tensor, key_1HME: Tensor, value_1HME: Tensor, attention_mask: Tensor | None, **others: Any
) -> tuple[Tensor, None]:
    """The attention of each row to itself. What an architecture adds to it must suit a group of rows, or it fails."""
    groups = _PASS.get().groups
    sizes = [len(group.real_M) for group in groups]
    parts = zip(
        *(torch.split(each[0].transpose(0, 1), sizes) for each in (query_1HME, key_1HME, value_1HME)), strict=True
    )
    others["is_causal"] = False
    attended = []
    for group, part in zip(groups, parts, strict=True):
        query_GHTE, key_GHTE, value_GHTE = (group.padded(each_mHE).transpose(1, 2) for each_mHE in part)
        mask_G11T = group.mask_BT[:, None, None, :]
        attended_GTHE, _ = sdpa_attention_forward(module, query_GHTE, key_GHTE, value_GHTE, mask_G11T, **others)
        attended.append(attended_GTHE.flatten(0, 1).index_select(0, group.real_M))
    return torch.cat(attended)[None], None


def _no_mask(*, mask_function: Any, **others: Any) -> None:
    """No mask over the packed row: `_attend` has its own.

    Raises NotImplementedError for causal masks and for windows, which rows that are tried could be too short to show.
    """
    if mask_function is not bidirectional_mask_function:
        raise NotImplementedError("only encoders whose tokens see their whole row can be packed")


AttentionInterface.register(_NAME, _attend)
AttentionMaskInterface.register(_NAME, _no_mask)
