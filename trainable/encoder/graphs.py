"""The encoder's way forth and back as two CUDA graphs.

A batch of few rows is little work for a GPU: it ends a kernel sooner than Python launches the next of the thousands
that a step takes. Recorded once and launched as one, they follow each other without a pause. What is recorded are
launches, so it serves one shape of a batch, and encoders that launch the same kernels whatever a batch holds.
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
"""Encoders, by their `model_type`, that tests on a GPU have shown to train so as they do launch by launch."""
_SHAPES = 2  # recorded ones; each holds activations and gradients. A sample is cut into parts of at most two sizes
_LAUNCHED = 3  # batches of a shape before it is recorded: fewer steps, as of an estimate, do not pay for it


def graphed(model: PreTrainedModel) -> PreTrainedModel | GraphedModel:
    """What to call in training in place of `model`: itself, unless it lies on a GPU and is known to bear recording."""
    return GraphedModel(model) if model.device.type == "cuda" and model.config.model_type in _MODELS else model


class GraphedModel:
    """Called as the model is, by arguments of the same names, and with the same results and gradients.

    Gradients of the weights are written, not added: they must have been cleared since the last step.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._seen: Counter[torch.Size] = Counter()
        self._recordings: dict[torch.Size, _Recording] = {}

    def __call__(self, *, output_hidden_states: bool, **inputs: Tensor) -> Any:
        """The model's outputs, of which only `logits` and the last of `hidden_states` are sure to be there."""
        recording = self._recording(inputs, hidden=output_hidden_states)
        if recording is None:
            return self._model(**inputs, output_hidden_states=output_hidden_states)
        logits_BC, *hidden_BTD = recording(inputs)
        return SimpleNamespace(logits=logits_BC, hidden_states=hidden_BTD)

    def _recording(self, inputs: dict[str, Tensor], *, hidden: bool) -> _Recording | None:
        shape = inputs["input_ids"].shape
        self._seen[shape] += 1
        if shape not in self._recordings and self._seen[shape] > _LAUNCHED and len(self._recordings) < _SHAPES:
            self._recordings[shape] = _Recording(self._model, inputs, hidden=hidden)
        return self._recordings.get(shape)


@cache
def _stream() -> torch.cuda.Stream:
    """One for all recordings of a process: libraries keep work space for each stream, for good."""
    return torch.cuda.Stream()  # type: ignore[no-untyped-call]


class _Recording:
    """Both ways for batches of one shape. The tensors between them and the rest of a step keep their places."""

    def __init__(self, model: PreTrainedModel, inputs: dict[str, Tensor], *, hidden: bool) -> None:
        self._inputs = {name: tensor.clone() for name, tensor in inputs.items()}
        self._anchor = torch.zeros((), device=model.device, requires_grad=True)  # outputs of an input with a gradient
        self._forth, self._back = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        random_state = torch.cuda.get_rng_state()
        self._rehearse(model, hidden=hidden)
        with torch.cuda.graph(self._forth, stream=_stream()):
            outputs = _run(model, self._inputs, hidden=hidden)
        self._output_gradients = [torch.zeros_like(output) for output in outputs]
        with torch.cuda.graph(self._back, pool=self._forth.pool(), stream=_stream()):
            torch.autograd.backward(outputs, self._output_gradients)
        torch.cuda.set_rng_state(random_state)
        self._outputs = [output.detach() for output in outputs]  # what autograd notes of a recording is of no more use
        self._gradients = [(weight, weight.grad) for weight in model.parameters() if weight.grad is not None]

    def _rehearse(self, model: PreTrainedModel, *, hidden: bool) -> None:
        """Once without recording, as PyTorch asks for: libraries set themselves up at their first call on a stream."""
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

    def forth(self) -> tuple[Tensor, ...]:
        """From the inputs to the outputs."""
        self._forth.replay()
        return tuple(output.detach() for output in self._outputs)

    def back(self, gradients: Sequence[Tensor | None]) -> None:
        """From the outputs' gradients to those of the weights."""
        for place, gradient in zip(self._output_gradients, gradients, strict=True):
            if gradient is not None:  # what the objective does not use never has one
                place.copy_(gradient)
        self._back.replay()
        for weight, gradient in self._gradients:
            weight.grad = gradient


class _Replay(torch.autograd.Function):
    """Makes the two graphs one step of what autograd goes back through."""

    @staticmethod
    def forward(ctx: Any, recording: _Recording, _anchor: Tensor) -> tuple[Tensor, ...]:
        ctx.recording = recording
        ctx.set_materialize_grads(False)
        return recording.forth()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[None, None]:
        ctx.recording.back(gradients)
        return None, None


def _run(model: PreTrainedModel, inputs: dict[str, Tensor], *, hidden: bool) -> tuple[Tensor, ...]:
    """Weights are cast anew at each call: a cast that autocast kept from before would not be part of the graph."""
    dtype, mixed = torch.get_autocast_dtype("cuda"), torch.is_autocast_enabled("cuda")
    with torch.autocast("cuda", dtype=dtype, enabled=mixed, cache_enabled=False):
        outputs = model(**inputs, output_hidden_states=hidden)
    return (outputs.logits, outputs.hidden_states[-1]) if hidden else (outputs.logits,)
