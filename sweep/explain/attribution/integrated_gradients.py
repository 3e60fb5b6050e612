"""Layer integrated gradients on the layer of a classifier's word embeddings.

The score of a class is followed on the straight line from the text with a neutral token in place of every word to the
text itself; each token is given its part of the difference (Sundararajan, Taly & Yan, 2017, arXiv:1703.01365, equation
1). The ids of the text stay the model's input all the way, and only what the embedding layer makes of them is replaced:
positions, padding and the token that a decoder reads last are found by the ids.

The integral is a Clenshaw-Curtis sum, whose nodes are those of the next one too: where it has not converged, only
the nodes between are computed. The parts must add up to the difference of the scores at both ends (completeness).

Shapes: N texts, J nodes on the line, B rows of a batch, T tokens, D embedding size, K kinds of scores, W words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sweep.explain.attribution.scores import ExplainedScores, centred
from sweep.explain.attribution.words import NO_WORD, TokenisedText, padded
from trainable.errors import EncoderError

if TYPE_CHECKING:
    from trainable.classifier import Classifier

__all__ = ["MOST", "TOLERANCE", "Attribution", "integrated_gradients", "neutral_token"]

TOLERANCE = 0.01
"""How far the parts of a text's words may be from adding up, as a share of the difference or of their sizes."""
_FIRST, MOST = 8, 256
_TOKENS = {"cpu": 2_048, "cuda": 32_768}  # of a batch, padding included

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """What each word of a text adds to the scores of one class.

    words_KW: for each kind of scores; 0 for words that the classifier does not read.
    start_K, end_K: the scores without any word, and of the text.
    error_K: how far the words are from adding up to their difference, relative to it or to their sizes.
    steps: of the sum.
    """

    words_KW: Floats
    start_K: Floats
    end_K: Floats
    error_K: Floats
    steps: int

    @property
    def converged(self) -> bool:
        """Whether the words add up within the tolerance."""
        return bool((self.error_K <= TOLERANCE).all())


def integrated_gradients(
    scores: ExplainedScores, texts: Sequence[TokenisedText], classes_N: Sequence[int], *, most: int = MOST
) -> tuple[Attribution, ...]:
    """Attribute the score of a class of each text to its words.

    most: how many steps are taken at most; an attribution that has not converged by then says so.

    Raises EncoderError for an encoder that does not read a text by its layer of word embeddings.
    """
    lines = [_Line(text=text, label=label) for text, label in zip(texts, classes_N, strict=True)]
    steps = _FIRST
    with _overridden(scores.classifier) as layer:
        open_lines = lines
        while open_lines:
            _extend(scores, layer, open_lines, steps)
            for line in open_lines:
                line.attribution = _attribution(line, steps)
            open_lines = [line for line in open_lines if line.attribution and not line.attribution.converged]
            steps *= 2
            if steps > most:
                break
    found = [line.attribution for line in lines]
    return tuple(each for each in found if each is not None)


def neutral_token(classifier: Classifier) -> int:
    """The token that stands for a word that is not there: that of a mask, or else of what is unknown or pads."""
    tokenizer = classifier.tokenizer
    known = (tokenizer.mask_token_id, tokenizer.unk_token_id, tokenizer.pad_token_id)
    return int(next(each for each in known if each is not None))


@dataclass(slots=True, kw_only=True)
class _Line:
    """The line from no word to a text, with what was computed on it.

    text, label: the text, and the class whose score is followed.
    parts: by its place on the line from 0 to 1, parts_KT: the gradient of each token times its way.
    ends: scores_K by place, of the two ends.
    """

    text: TokenisedText
    label: int
    parts: dict[float, Floats] = field(default_factory=dict)
    ends: dict[float, Floats] = field(default_factory=dict)
    attribution: Attribution | None = None


class _Layer:
    """The layer of word embeddings, of which a forward pass gets the output that it is told."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.module = module
        self.output: Tensor | None = None

    def __call__(self, ids_BT: Tensor) -> Tensor:
        self.output = None
        with torch.no_grad():
            found_BTD: Tensor = self.module(ids_BT)
        return found_BTD

    def replaced(self, module: Any, given: Any, made: Tensor) -> Tensor | None:
        return None if self.output is None or self.output.shape != made.shape else self.output


@contextmanager
def _overridden(classifier: Classifier) -> Iterator[_Layer]:
    layer = _Layer(classifier.model.get_input_embeddings())
    classifier.model.eval()
    hook = layer.module.register_forward_hook(layer.replaced)
    try:
        yield layer
    finally:
        hook.remove()


def _extend(scores: ExplainedScores, layer: _Layer, lines: Sequence[_Line], steps: int) -> None:
    """Compute what the sum of so many steps needs and is not known yet."""
    wanted = [(line, at) for line in lines for at in _nodes(steps) if at not in line.parts]
    wanted.sort(key=lambda each: len(each[0].text))
    limit = _TOKENS["cuda" if next(scores.classifier.model.parameters()).is_cuda else "cpu"]
    first = 0
    while first < len(wanted):
        end = first + 1
        while end < len(wanted) and (end + 1 - first) * len(wanted[end][0].text) <= limit:
            end += 1
        _compute(scores, layer, wanted[first:end])
        first = end


def _compute(scores: ExplainedScores, layer: _Layer, points: Sequence[tuple[_Line, float]]) -> None:
    """One forward pass for some places on lines, and a backward pass for each kind of scores."""
    classifier = scores.classifier
    inputs = padded(classifier, [line.text.inputs for line, _ in points])
    ids_BT = inputs["input_ids"]
    words_BT = torch.zeros_like(ids_BT, dtype=torch.bool)
    for place, (line, _) in enumerate(points):
        words_BT[place, : len(line.text)] = torch.from_numpy(line.text.word_T != NO_WORD)
    end_BTD, start_BTD = layer(ids_BT), layer(ids_BT.masked_fill(words_BT, neutral_token(classifier)))
    at_B11 = torch.tensor([at for _, at in points], dtype=end_BTD.dtype, device=end_BTD.device)[:, None, None]
    layer.output = (start_BTD + at_B11 * (end_BTD - start_BTD)).requires_grad_()
    labels_B = torch.tensor([line.label for line, _ in points], device=ids_BT.device)
    with torch.enable_grad():
        scores_KB = centred(scores.of(inputs)[0], labels_B)
        gradients = [
            torch.autograd.grad(each_B.sum(), layer.output, retain_graph=True, allow_unused=True)[0]
            for each_B in scores_KB
        ]
    layer.output = None
    if any(each is None for each in gradients):
        raise EncoderError(
            f"a text is explained by its word embeddings; {type(classifier.model).__name__} reads it in another way: "
            "explain an arm of another encoder"
        )
    parts_KBT = torch.stack([(each * (end_BTD - start_BTD)).sum(dim=-1) for each in gradients]).double().cpu().numpy()
    ends_KB = scores_KB.detach().double().cpu().numpy()
    for place, (line, at) in enumerate(points):
        line.parts[at] = parts_KBT[:, place, : len(line.text)]
        if at in (0.0, 1.0):
            line.ends[at] = ends_KB[:, place]


def _attribution(line: _Line, steps: int) -> Attribution:
    nodes, weights_J = _nodes(steps), _weights(steps)
    tokens_KT = np.tensordot(weights_J, np.stack([line.parts[at] for at in nodes]), axes=1)
    words_TW = (line.text.word_T[:, None] == np.arange(len(line.text.words))).astype(np.float64)
    words_KW: Floats = tokens_KT @ words_TW
    start_K, end_K = line.ends[0.0], line.ends[1.0]
    size_K = np.maximum(np.abs(words_KW).sum(axis=1), np.abs(end_K - start_K))
    error_K = np.abs(words_KW.sum(axis=1) - (end_K - start_K)) / np.maximum(size_K, 1e-6)
    return Attribution(words_KW=words_KW, start_K=start_K, end_K=end_K, error_K=error_K, steps=steps)


@cache
def _nodes(steps: int) -> tuple[float, ...]:
    """The nodes of a Clenshaw-Curtis sum on the line from 0 to 1; those of half as many steps are among them."""
    return tuple(0.5 * (1 - _cosine(place, steps)) for place in range(steps + 1))


def _cosine(place: int, steps: int) -> float:
    """The cosine of a part of pi, the same number for equal fractions."""
    while place % 2 == 0 and steps % 2 == 0 and place:
        place, steps = place // 2, steps // 2
    return float(np.cos(np.pi * place / steps)) if place else 1.0


@cache
def _weights(steps: int) -> tuple[float, ...]:
    """The weights of these nodes (Waldvogel, 2006, BIT 46, equation 2.4, on the line from 0 to 1)."""
    even = np.arange(1, steps // 2 + 1)
    shares = np.where(even == steps // 2, 1.0, 2.0) / (4.0 * even**2 - 1)
    places = np.arange(steps + 1)
    sums = 1 - (shares * np.cos(2 * np.pi * np.outer(places, even) / steps)).sum(axis=1)
    ends = np.where((places == 0) | (places == steps), 1.0, 2.0)
    return tuple((ends * sums / steps / 2).tolist())
