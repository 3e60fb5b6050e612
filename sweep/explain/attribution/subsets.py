"""What a classifier says of a text of which some words are left out.

Words are left out as tokens; those that belong to no word stay. Shapes: J texts that are left, K kinds of scores, C
classes, W words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from sweep.explain.attribution.integrated_gradients import neutral_token
from sweep.explain.attribution.scores import ExplainedScores, centred
from sweep.explain.attribution.words import TokenisedText, padded

__all__ = ["Reader", "Subset", "left_out", "read_subsets"]

Floats: TypeAlias = NDArray[np.float64]
Subset: TypeAlias = tuple[TokenisedText, NDArray[np.int64], int]
"""A text, the places of the words that stay, and the class whose score is read."""

_TOKENS = {"cpu": 4_096, "cuda": 65_536}  # of a batch, padding included


class Reader:
    """Reads what is left of texts, each subset once, however often it is asked for: of a text of few words, many of
    those that a ranking, random orders and words left out ask for are the same."""

    def __init__(self, scores: ExplainedScores) -> None:
        self.scores = scores
        self._known: dict[tuple[int, bytes, int], tuple[Floats, float]] = {}
        self._texts: list[TokenisedText] = []  # kept, so that no other text gets the id of one of them

    def read(self, subsets: Sequence[Subset]) -> tuple[Floats, Floats]:
        """scores_KJ, the class's centred scores, and probability_J of the class."""
        keys = [(id(text), np.sort(kept).tobytes(), label) for text, kept, label in subsets]
        new = {key: subset for key, subset in zip(keys, subsets, strict=True) if key not in self._known}
        self._texts += [text for text, _, _ in new.values()]
        found_KJ, probability_J = read_subsets(self.scores, list(new.values()))
        self._known.update(zip(new, zip(found_KJ.T, probability_J.tolist(), strict=True), strict=True))
        known = [self._known[key] for key in keys]
        scores_KJ = np.array([each for each, _ in known]).reshape(len(known), len(self.scores.kinds)).T
        return scores_KJ, np.array([each for _, each in known])


def read_subsets(scores: ExplainedScores, subsets: Sequence[Subset]) -> tuple[Floats, Floats]:
    """scores_KJ, the class's centred scores, and probability_J of the class."""
    classifier, stand_in = scores.classifier, neutral_token(scores.classifier)
    rows = [text.only(kept, stand_in) for text, kept, _ in subsets]
    order = sorted(range(len(rows)), key=lambda place: len(rows[place]["input_ids"]))
    scores_KJ, probability_J = np.empty((len(scores.kinds), len(rows))), np.empty(len(rows))
    limit = _TOKENS["cuda" if next(classifier.model.parameters()).is_cuda else "cpu"]
    classifier.model.eval()
    first = 0
    while first < len(order):
        last = first + 1
        while last < len(order) and (last + 1 - first) * len(rows[order[last]]["input_ids"]) <= limit:
            last += 1
        chosen = order[first:last]
        with torch.inference_mode():
            inputs = padded(classifier, [rows[place] for place in chosen])
            found_KBC, decision_BC = scores.of(inputs)
            labels_B = torch.tensor([subsets[place][2] for place in chosen], device=decision_BC.device)
            scores_KJ[:, chosen] = centred(found_KBC, labels_B).double().cpu().numpy()
            probabilities_BC = torch.softmax(decision_BC / classifier.temperature, dim=1)
            probability_J[chosen] = probabilities_BC.gather(1, labels_B[:, None])[:, 0].double().cpu().numpy()
        first = last
    return scores_KJ, probability_J


def left_out(reader: Reader, texts: Sequence[TokenisedText], classes_N: Sequence[int]) -> list[Floats]:
    """For each text words_KW: how much lower the scores of its class are without each word; 0 for words that the
    classifier does not read."""
    subsets: list[Subset] = []
    for text, label in zip(texts, classes_N, strict=True):
        subsets.append((text, text.read, label))
        subsets += [(text, text.read[text.read != word], label) for word in text.read]
    scores_KJ, _ = reader.read(subsets)
    found, first = [], 0
    for text in texts:
        whole_K1, without_KR = scores_KJ[:, first : first + 1], scores_KJ[:, first + 1 : first + 1 + len(text.read)]
        words_KW = np.zeros((len(scores_KJ), len(text.words)))
        words_KW[:, text.read] = whole_K1 - without_KR
        found.append(words_KW)
        first += 1 + len(text.read)
    return found
