"""The encoder's forward and backward pass in training, captured as two CUDA graphs.

A few-shot batch is little work for a GPU: it finishes each of a step's thousands of kernels before Python has launched
the next one. Captured once and replayed as one graph, the kernels follow each other without a pause. A graph holds
kernel launches and the addresses of their tensors, so one graph serves one shape of a batch, and only encoders that
launch the same kernels whatever the batch holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["GraphedModel", "graphed"]

_MODELS = frozenset({"albert", "bert", "camembert", "distilbert", "electra", "roberta", "xlm-roberta"})
"""Encoders, by their `model_type`, of which tests on a GPU have shown that captured and eager training agree."""
_CAPTURED_SHAPES = 2  # each holds activations and gradients; a sample is cut into batches of at most two sizes
_EAGER_BATCHES = 3  # batches of a shape before its capture, which a run of fewer steps (an estimate) would not repay


def graphed(model: PreTrainedModel) -> PreTrainedModel | GraphedModel:
    """Return what training calls in place of `model`.

    This is a GraphedModel where the model is on a GPU and its architecture is known to be safe to capture, and the
    model itself everywhere else.
    """
    return GraphedModel(model) if model.device.type == "cuda" and model.config.model_type in _MODELS else model


class GraphedModel:
    """A model that runs eagerly at first, and replays CUDA graphs for input shapes that recur.

    It is called with the model's own keyword arguments, and gives the same results and gradients. Gradients of the
    weights are overwritten, not accumulated, so they must be cleared after every step.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._seen: Counter[torch.Size] = Counter()
        self._captured: dict[torch.Size, _CapturedPass] = {}

    def __call__(self, *, output_hidden_states: bool, **inputs: Tensor) -> Any:
        """Return `logits` and, if asked for, the last of `hidden_states`; a replay gives no other output."""
        captured = self._captured_pass(inputs, hidden=output_hidden_states)
        if captured is None:
            return self._model(**inputs, output_hidden_states=output_hidden_states)
        logits_BC, *hidden_BTD = captured(inputs)
        return SimpleNamespace(logits=logits_BC, hidden_states=hidden_BTD)

    def _captured_pass(self, inputs: dict[str, Tensor], *, hidden: bool) -> _CapturedPass | None:
        shape = inputs["input_ids"].shape
        self._seen[shape] += 1
        recurs = self._seen[shape] > _EAGER_BATCHES
        if shape not in self._captured and recurs and len(self._captured) < _CAPTURED_SHAPES:
            self._captured[shape] = _CapturedPass(self._model, inputs, hidden=hidden)
        return self._captured.get(shape)


@cache
def _stream() -> torch.cuda.Stream:
    """The one stream on which a process captures: libraries keep a workspace for each stream until it ends."""
    return torch.cuda.Stream()  # type: ignore[no-untyped-call]


class _CapturedPass:
    """Forward and backward pass for batches of one shape; inputs, outputs and gradients keep their addresses."""

    def __init__(self, model: PreTrainedModel, inputs: dict[str, Tensor], *, hidden: bool) -> None:
        self._inputs = {name: tensor.clone() for name, tensor in inputs.items()}
        self._anchor = torch.zeros((), device=model.device, requires_grad=True)  # makes the outputs require gradients
        self._forward, self._backward = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        random_state = torch.cuda.get_rng_state()
        self._warm_up(model, hidden=hidden)
        with torch.cuda.graph(self._forward, stream=_stream()):
            outputs = _run(model, self._inputs, hidden=hidden)
        self._output_gradients = [torch.zeros_like(output) for output in outputs]
        with torch.cuda.graph(self._backward, pool=self._forward.pool(), stream=_stream()):
            torch.autograd.backward(outputs, self._output_gradients)
        torch.cuda.set_rng_state(random_state)
        self._outputs = [output.detach() for output in outputs]  # autograd's record of the capture is not used again
        self._gradients = [(weight, weight.grad) for weight in model.parameters() if weight.grad is not None]

    def _warm_up(self, model: PreTrainedModel, *, hidden: bool) -> None:
        """Run one step eagerly on the stream, as PyTorch asks before a capture: libraries initialise at first use."""
        _stream().wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(_stream()):
            outputs = _run(model, self._inputs, hidden=hidden)
            torch.autograd.backward(outputs, [torch.zeros_like(output) for output in outputs])
            model.zero_grad(set_to_none=True)
        torch.cuda.current_stream().wait_stream(_stream())

    def __call__(self, inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
        for name, tensor in self._inputs.items():
            tensor.copy_(inputs[name])
        outputs: tuple[Tensor, ...] = _Replay.apply(self, self._anchor)  # type: ignore[no-untyped-call]
        return outputs

    def forward(self) -> tuple[Tensor, ...]:
        """Replay the forward pass on the inputs as they stand."""
        self._forward.replay()
        return tuple(output.detach() for output in self._outputs)

    def backward(self, gradients: Sequence[Tensor | None]) -> None:
        """Replay the backward pass from the gradients of the outputs, and write those of the weights."""
        for place, gradient in zip(self._output_gradients, gradients, strict=True):
            if gradient is not None:  # an output that the objective does not use never has one
                place.copy_(gradient)
        self._backward.replay()
        for weight, gradient in self._gradients:
            weight.grad = gradient


class _Replay(torch.autograd.Function):
    """A node of autograd whose forward and backward pass replay the two graphs."""

    @staticmethod
    def forward(ctx: Any, captured: _CapturedPass, _anchor: Tensor) -> tuple[Tensor, ...]:
        ctx.captured = captured
        ctx.set_materialize_grads(False)
        return captured.forward()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[None, None]:
        ctx.captured.backward(gradients)
        return None, None


def _run(model: PreTrainedModel, inputs: dict[str, Tensor], *, hidden: bool) -> tuple[Tensor, ...]:
    """Run the model without autocast's cache: a cast that was cached before would not be part of the graph."""
    dtype, mixed = torch.get_autocast_dtype("cuda"), torch.is_autocast_enabled("cuda")
    with torch.autocast("cuda", dtype=dtype, enabled=mixed, cache_enabled=False):
        outputs = model(**inputs, output_hidden_states=hidden)
    return (outputs.logits, outputs.hidden_states[-1]) if hidden else (outputs.logits,)
