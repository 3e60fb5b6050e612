"""An encoder's pass over the tokens of a batch without its padding.

Half of a few-shot batch is padding, since its rows are as long as they come. On a CPU, which computes as long as there
are numbers, leaving it out saves that half; a GPU replays a graph of one shape instead (`graphs`). Within the layers
all real tokens stand one after the other in a single row, with the positions that they have in their own rows, and
each attention takes them apart, so that no token sees another row. Behind the layers stands the padded batch again,
for the model's own head and whoever else reads it. The states of real tokens are those of the padded batch.

Shapes: B rows, T tokens of the longest one, M real tokens of all rows, H heads, E numbers of a head, D embedding size.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

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
_PLACES: ContextVar[tuple[Tensor, Tensor]] = ContextVar("places")
"""For the layers of one pass: mask_BT, which tokens of the padded batch are real, and real_M, where."""


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
        real_M = attention_mask.flatten().nonzero()[:, 0]
        tokens = {name: values_BT.flatten()[real_M][None] for name, values_BT in inputs.items()}
        positions_M = real_M % attention_mask.shape[1] + self._first_position
        found: list[Tensor] = []
        with _apart(self._model, attention_mask.bool(), real_M):
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
def _apart(model: PreTrainedModel, mask_BT: Tensor, real_M: Tensor) -> Iterator[None]:
    before = model.config._attn_implementation
    token = _PLACES.set((mask_BT, real_M))
    model.set_attn_implementation(_NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)
        _PLACES.reset(token)


def _put_back(module: nn.Module, inputs: Any, outputs: Any, *, found: list[Tensor]) -> Any:
    """Make the last hidden state a padded batch, and remember it."""
    found.append(_padded(outputs.last_hidden_state[0]))
    outputs.last_hidden_state = found[-1]
    return outputs


def _attend(
    module: Any, query_1HME: Tensor, key_1HME: Tensor, value_1HME: Tensor, attention_mask: Tensor | None, **others: Any
) -> tuple[Tensor, None]:
    """The attention of each row to itself. What an architecture adds to it must suit rows of T tokens, or it fails."""
    query_BHTE, key_BHTE, value_BHTE = (
        _padded(each[0].transpose(0, 1)).transpose(1, 2) for each in (query_1HME, key_1HME, value_1HME)
    )
    mask_BT, real_M = _PLACES.get()
    others["is_causal"] = False
    attended_BTHE, _ = sdpa_attention_forward(
        module, query_BHTE, key_BHTE, value_BHTE, mask_BT[:, None, None, :], **others
    )
    return attended_BTHE.flatten(0, 1).index_select(0, real_M)[None], None


def _padded(values_Mx: Tensor) -> Tensor:
    """What real tokens have, of any shape, as an array_BTx with zeros at padding."""
    mask_BT, real_M = _PLACES.get()
    empty = values_Mx.new_zeros(mask_BT.numel(), *values_Mx.shape[1:])
    padded = empty.index_copy(0, real_M, values_Mx)
    return padded.view(*mask_BT.shape, *values_Mx.shape[1:])


def _no_mask(*, mask_function: Any, **others: Any) -> None:
    """No mask over the packed row: `_attend` has its own.

    Raises NotImplementedError for causal masks and for windows, which rows that are tried could be too short to show.
    """
    if mask_function is not bidirectional_mask_function:
        raise NotImplementedError("only encoders whose tokens see their whole row can be packed")


AttentionInterface.register(_NAME, _attend)
AttentionMaskInterface.register(_NAME, _no_mask)
