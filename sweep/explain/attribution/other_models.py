"""The same explanations by other models: one with random weights, and those of other draws.

Shapes: W words, D embedding size, C classes.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from sweep.explain.attribution.explained import Prediction
from sweep.explain.attribution.faithfulness import rank_agreement
from sweep.explain.attribution.integrated_gradients import integrated_gradients
from sweep.explain.attribution.scores import explained_scores
from sweep.explain.attribution.words import tokenised

if TYPE_CHECKING:
    from torch import Tensor

    from trainable.classifier import Classifier

__all__ = ["agreements", "randomised"]

_MOST = 16  # steps: a ranking of words needs no more


def randomised(classifier: Classifier, seed: int = 0) -> Classifier:
    """A copy with random weights: every matrix of the encoder and of the head is drawn anew with its own mean and
    spread, and vectors stay (Adebayo et al., 2018, arXiv:1810.03292, section 3, all layers at once)."""
    generator = torch.Generator().manual_seed(seed)
    model = copy.deepcopy(classifier.model)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(_drawn(weight, generator))
    return replace(
        classifier, model=model, arrays={name: _drawn(array, generator) for name, array in classifier.arrays.items()}
    )


def agreements(predictions: Sequence[Prediction], other: Classifier) -> list[float | None]:
    """Kendall's tau of each prediction's words with those by which another model of the same classes and the same
    tokenizer would say the same class; None where either ranking has no order."""
    texts = [each.text for each in predictions]
    pairs = [each.pair for each in predictions if each.pair is not None]
    rows = tokenised(other, texts, pairs if other.paired else None)
    labels = [other.labels.index(each.label) for each in predictions]
    found = integrated_gradients(explained_scores(other), rows, labels, most=_MOST)
    return [
        rank_agreement(each.attribution.words_KW[0], words.words_KW[0], each.read)
        for each, words in zip(predictions, found, strict=True)
    ]


def _drawn(weight: Tensor, generator: torch.Generator) -> Tensor:
    if weight.ndim < 2 or not weight.is_floating_point():
        return weight
    mean, spread = float(weight.mean()), float(weight.std())
    return torch.empty(weight.shape).normal_(mean, spread, generator=generator).to(weight)
