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
        return classifier
    return replace(classifier, temperature=temperature)


def shifted(classifier: Classifier, shift_C: NDArray[np.float64] | float) -> Classifier:
    """Return the classifier with a shift in the bias of its own head, which has one where it is drawn anew."""
    if isinstance(shift_C, float):
        return classifier
    last = _last_layer(classifier)
    if last.bias is None:
        last.bias = torch.nn.Parameter(torch.zeros(last.out_features), requires_grad=False)
    with torch.no_grad():
        last.bias.add_(torch.from_numpy(shift_C).to(last.bias))
    return classifier


def _last_layer(classifier: Classifier) -> torch.nn.Linear:
    last = [module for module in classifier.model.modules() if isinstance(module, torch.nn.Linear)][-1]
    assert last.out_features == len(classifier.labels), "the last layer gives the scores"
    return last
