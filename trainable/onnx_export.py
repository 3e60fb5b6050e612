"""A kept classifier as an ONNX file, with the same scores through onnxruntime.

Needs the extra `onnx` (onnx, onnxscript, onnxruntime).

Shapes: N texts, T tokens of the longest, C classes.
"""

from __future__ import annotations

import importlib.util
import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from trainable.errors import ConfigError

if TYPE_CHECKING:
    from trainable.classifier import Classifier

__all__ = ["FILE", "OnnxFile", "export"]

FILE = "model.onnx"
_TOLERANCE = 1e-4
_TIMED = 7  # of which the median counts
_OPSET = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxFile:
    """An ONNX file that was written, and how it compares with torch on the same machine.

    inputs: names of its inputs, each N x T.
    megabytes, torch_megabytes: of the file, and of the weights that torch reads.
    milliseconds, torch_milliseconds: for one text, the median of seven.
    difference: the largest of a score, on the texts that were given.
    """

    inputs: tuple[str, ...]
    megabytes: float
    torch_megabytes: float
    milliseconds: float
    torch_milliseconds: float
    difference: float


def export(classifier: Classifier, folder: Path, texts: Sequence[str], pairs: Sequence[str] | None = None) -> OnnxFile:
    """Write `folder/model.onnx`: tokens in, `scores` (N x C) out, whose softmax gives the calibrated probabilities.

    texts, pairs: on which its scores are compared with torch's, and its speed.

    Raises ConfigError without the extra `onnx`, and for a classifier that cannot be exported or scores otherwise.
    """
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"an ONNX file needs the extra onnx; {missing[0]} is not installed: pip install 'few-shot-sweep[onnx]'"
        )
    texts, pairs = list(texts[:16]), None if pairs is None else list(pairs[:16])
    inputs = classifier.tokens(texts, pairs)
    path = folder / FILE
    _write(classifier, dict(inputs), path)
    run = _session(path)
    wanted_NC = classifier.scores(texts, pairs).numpy() / classifier.temperature
    difference = float(np.abs(run(inputs) - wanted_NC).max())
    if not difference <= _TOLERANCE:
        path.unlink()
        raise ConfigError(
            f"an ONNX file must give the scores of torch within {_TOLERANCE}; they differ by {difference:.2g}: keep "
            "the classifier without --onnx"
        )
    one = (texts[:1], None if pairs is None else pairs[:1])
    weights = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    return OnnxFile(
        inputs=tuple(inputs),
        megabytes=path.stat().st_size / 1e6,
        torch_megabytes=weights / 1e6,
        milliseconds=_timed(lambda: run(classifier.tokens(*one))),
        torch_milliseconds=_timed(lambda: classifier.scores(*one)),
        difference=difference,
    )


class _Scores(nn.Module):
    """The scores of a classifier as a module, over the temperature."""

    def __init__(self, classifier: Classifier, names: Sequence[str]) -> None:
        super().__init__()
        self.model = classifier.model
        self.classifier, self.names = classifier, tuple(names)

    def forward(self, *tensors: Tensor) -> Tensor:
        inputs = dict(zip(self.names, tensors, strict=True))
        scores_NC: Tensor = self.classifier.batch_scores(inputs).float() / self.classifier.temperature
        return scores_NC


def _write(classifier: Classifier, inputs: dict[str, Tensor], path: Path) -> None:
    rows, tokens = torch.export.Dim("rows"), torch.export.Dim("tokens")
    module = _Scores(classifier, list(inputs)).eval()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module,
                tuple(inputs.values()),
                str(path),
                dynamo=True,
                external_data=False,
                verbose=False,
                opset_version=_OPSET,
                input_names=list(inputs),
                output_names=["scores"],
                dynamic_shapes=(tuple({0: rows, 1: tokens} for _ in inputs),),
            )
    except Exception as error:  # of several libraries: what an exporter cannot follow
        said = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"an ONNX file is written of what torch can export; this encoder or head is not ({said}): keep the "
            "classifier without --onnx"
        ) from error


def _session(path: Path) -> Callable[[Any], np.ndarray[Any, Any]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(inputs: Any) -> np.ndarray[Any, Any]:
        scores_NC: np.ndarray[Any, Any] = session.run(None, {name: each.numpy() for name, each in inputs.items()})[0]
        return scores_NC

    return run


def _timed(call: Callable[[], object]) -> float:
    seconds = []
    for _ in range(_TIMED + 1):
        began = perf_counter()
        call()
        seconds.append(perf_counter() - began)
    return 1000 * median(seconds[1:])
