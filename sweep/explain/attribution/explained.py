"""Predictions of a classifier, each with what each word adds to it, and how far that can be trusted.

Shapes: N texts, W words, K kinds of scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from sweep.explain.attribution.faithfulness import Faithfulness, faithfulness, rank_agreement
from sweep.explain.attribution.integrated_gradients import Attribution, integrated_gradients
from sweep.explain.attribution.near import Centre, Examples, NearRow, centres, embedded, known_centres, near_rows
from sweep.explain.attribution.scores import ExplainedScores, Kind, explained_scores
from sweep.explain.attribution.subsets import Reader, left_out
from sweep.explain.attribution.words import TokenisedText, Word, tokenised

if TYPE_CHECKING:
    from torch import Tensor

    from trainable.classifier import Classifier

__all__ = ["Prediction", "explained_predictions"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """A prediction explained.

    text, pair: what was classified.
    label, probability: what the classifier says.
    runner_up: the class with the second highest score.
    words: of the text, or of both texts.
    read: the places of the words that the classifier reads.
    kinds: of the scores that are explained; by the first one the words are shown and judged.
    attribution: what each word adds to the scores of `label`, by integrated gradients.
    left_out_KW: by how much each word's absence lowers them.
    faithfulness: of the ranking of the words; None where there are fewer than two.
    rank_agreement: Kendall's tau of both rankings of the words; None where either has no order.
    centres: of all classes, the nearest first, or their nearest proxies; empty where none are known.
    near: labelled rows of `label` and of `runner_up`, the nearest of each class first.
    """

    text: str
    pair: str | None
    label: str
    probability: float
    runner_up: str
    words: tuple[Word, ...]
    read: NDArray[np.int64]
    kinds: tuple[Kind, ...]
    attribution: Attribution
    left_out_KW: Floats
    faithfulness: Faithfulness | None
    rank_agreement: float | None
    centres: tuple[Centre, ...]
    near: tuple[NearRow, ...]

    @property
    def shares(self) -> Floats:
        """shares_W: what each word adds, as a share of what all words add and take away: from -1 to 1."""
        words_W: Floats = self.attribution.words_KW[0]
        return words_W / max(float(np.abs(words_W).sum()), 1e-12)

    @property
    def ranked(self) -> list[int]:
        """The places of the words that are read, those first that speak most for the class."""
        own_W = self.attribution.words_KW[0][self.read]
        return [int(word) for word in self.read[np.argsort(-own_W, kind="stable")]]

    @property
    def problems(self) -> tuple[str, ...]:
        """Why this explanation should not be believed; empty where it passes all checks of its own."""
        return tuple(_problems(self))


def explained_predictions(
    classifier: Classifier,
    texts: Sequence[str],
    pairs: Sequence[str] | None = None,
    examples: Examples | None = None,
) -> tuple[Prediction, ...]:
    """Explain what a classifier says of each text, or of each pair of texts.

    examples: labelled rows, of which the nearest are shown; they give the centres of the classes where the classifier
        has none of its own.

    Raises TypeError and ValueError for what the classifier cannot take, as its `predict` does, and EncoderError for an
    encoder or a tokenizer whose reading cannot be followed.
    """
    decision_NC = classifier.scores(texts, pairs)  # refuses what it cannot take
    if not len(texts):
        return ()
    rows = tokenised(classifier, texts, pairs)
    centroids_CD = known_centres(classifier, examples)
    scores = explained_scores(classifier, centroids_CD)
    reader = Reader(scores)
    order_NC = torch.argsort(-decision_NC, dim=1, stable=True)
    said = order_NC[:, 0].tolist()
    unit_ND = embedded(classifier, rows)
    parts = _Parts(
        rows=rows,
        said=said,
        runner_up=order_NC[:, 1].tolist(),
        probability_NC=torch.softmax(decision_NC / classifier.temperature, dim=1),
        attributions=integrated_gradients(scores, rows, said),
        left_out=left_out(reader, rows, said),
        unit_ND=unit_ND,
        centres=centres(classifier, unit_ND, centroids_CD),
    )
    judged = faithfulness(reader, rows, said, [each.words_KW[0] for each in parts.attributions])
    return tuple(
        _prediction(scores, parts, examples, place, (text, None if pairs is None else pairs[place]), judged[place])
        for place, text in enumerate(texts)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What was computed of all texts."""

    rows: Sequence[TokenisedText]
    said: Sequence[int]
    runner_up: Sequence[int]
    probability_NC: Tensor
    attributions: Sequence[Attribution]
    left_out: Sequence[Floats]
    unit_ND: Tensor
    centres: Sequence[tuple[Centre, ...]]


def _prediction(
    scores: ExplainedScores,
    parts: _Parts,
    examples: Examples | None,
    place: int,
    text: tuple[str, str | None],
    judged: Faithfulness | None,
) -> Prediction:
    classifier, said, other = scores.classifier, parts.said[place], parts.runner_up[place]
    row, attribution, left_out_KW = parts.rows[place], parts.attributions[place], parts.left_out[place]
    near = [] if examples is None else [(each, parts.unit_ND[place], examples) for each in (said, other)]
    return Prediction(
        text=text[0],
        pair=text[1],
        label=classifier.labels[said],
        probability=float(parts.probability_NC[place, said]),
        runner_up=classifier.labels[other],
        words=row.words,
        read=row.read,
        kinds=scores.kinds,
        attribution=attribution,
        left_out_KW=left_out_KW,
        faithfulness=judged,
        rank_agreement=rank_agreement(attribution.words_KW[0], left_out_KW[0], row.read),
        centres=parts.centres[place],
        near=tuple(row for label, unit_D, given in near for row in near_rows(classifier, unit_D, given, label)),
    )


def _problems(each: Prediction) -> Iterator[str]:
    if not each.attribution.converged:
        error = float(each.attribution.error_K.max())
        yield f"the words do not add up after {each.attribution.steps} steps ({100 * error:.1f} % is missing)"
    if each.rank_agreement is not None and each.rank_agreement <= 0:
        yield f"leaving words out ranks them otherwise (Kendall's tau {each.rank_agreement:.2f})"
    judged = each.faithfulness
    if judged is not None and judged.comprehensiveness <= float(judged.removed_random_S.mean()):
        yield "leaving out the words that it names changes the answer no more than leaving out random ones"
    if len(each.read) < len(each.words):
        yield f"{len(each.words) - len(each.read)} of {len(each.words)} words are not read: the text is too long"
