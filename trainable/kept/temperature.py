"""Scores of a kept classifier moved and scaled in its weights, so that whoever reads them sees it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from trainable.classifier import Classifier

__all__ = ["shifted", "tempered"]


def tempered(classifier: Classifier, temperature: float) -> Classifier:
    """Return the classifier with the temperature in its weights where it can be: its scores are then calibrated for
    whoever reads them, as a pipeline of transformers does."""
    if classifier.head["kind"] == "linear":
        scaled = {name: classifier.arrays[name] / temperature for name in ("weight", "bias")}
        return replace(classifier, arrays={**classifier.arrays, **scaled})
    if classifier.head["kind"] == "own":
        with torch.no_grad():
            for weight in _last_layer(classifier).parameters():
                weight.div_(temperature)
        scaled = {name: classifier.arrays[name] / temperature for name in classifier.arrays if name == "shift"}
        return replace(classifier, arrays={**classifier.arrays, **scaled})
    return replace(classifier, temperature=temperature)


def shifted(classifier: Classifier, shift_C: NDArray[np.float64] | float) -> Classifier:
    """Return the classifier with a shift in the bias of its own head, or beside the model where that head has none and
    a model that is read again would have none either, as a decoder's."""
    if isinstance(shift_C, float):
        return classifier
    last = _last_layer(classifier)
    if last.bias is None:
        return replace(classifier, arrays={**classifier.arrays, "shift": torch.from_numpy(shift_C).float()})
    with torch.no_grad():
        last.bias.add_(torch.from_numpy(shift_C).to(last.bias))
    return classifier


def _last_layer(classifier: Classifier) -> torch.nn.Linear:
    model = classifier.model
    body = set(model.base_model.modules())  # which some architectures name after their head
    last = [each for each in model.modules() if isinstance(each, torch.nn.Linear) and each not in body][-1]
    assert last.out_features == len(classifier.labels), "the last layer gives the scores"
    return last
