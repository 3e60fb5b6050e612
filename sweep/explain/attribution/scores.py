"""What is explained of a classifier: scores of its classes that are differentiable in the embeddings of the tokens.

Shapes: B rows of a batch, C classes, D embedding size, K kinds of scores, P pairs of classes, Q proxies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from trainable.centroid_head import class_centroids

if TYPE_CHECKING:
    from trainable.classifier import Classifier

__all__ = ["ExplainedScores", "Kind", "centred", "explained_scores"]

Kind = Literal["head", "nearest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedScores:
    """The scores of a classifier that are explained.

    classifier: whose.
    kinds: `head`, the scores that it classifies by, and `nearest`, the cosines to the centres of the classes or the
        scores by the proxies. Where it classifies by the latter there is no other; where it counts votes of neighbours,
        which have no gradient, the nearest centre takes their place.
    centroids_CD: of the classes; None where the classifier has centres of its own, or none are known.
    """

    classifier: Classifier
    kinds: tuple[Kind, ...]
    centroids_CD: Tensor | None

    def of(self, inputs: Any) -> tuple[Tensor, Tensor]:
        """scores_KBC, and decision_BC by which the classifier says a class."""
        made, head = self.classifier, self.classifier.head
        if head["kind"] == "own":
            decision_BC = made.batch_scores(inputs).float()
            embeddings_BD = made.embeddings(inputs) if "nearest" in self.kinds else None
        else:
            embeddings_BD = made.embeddings(inputs)
            decision_BC = made.head_scores(embeddings_BD, inputs).float()
        found = [self._of_kind(kind, decision_BC, embeddings_BD).float() for kind in self.kinds]
        return torch.stack(found), decision_BC

    def _of_kind(self, kind: Kind, decision_BC: Tensor, embeddings_BD: Tensor | None) -> Tensor:
        made, head = self.classifier, self.classifier.head
        if kind == "head" and head["kind"] != "pairs":
            return decision_BC
        assert embeddings_BD is not None, "the encoder's own head is read by its own scores"
        if kind == "head":
            return _margins(made, embeddings_BD)
        if self.centroids_CD is not None:
            return F.normalize(embeddings_BD, dim=1) @ self.centroids_CD.T
        near = replace(made, head=head["nearest"]) if head["kind"] == "mixture" else made
        return near.head_scores(embeddings_BD, None)


def explained_scores(classifier: Classifier, centroids_CD: Tensor | None = None) -> ExplainedScores:
    """The scores of a classifier that are explained. centroids_CD: of the labelled rows that are known."""
    kind = classifier.head["kind"]
    if kind in ("centroids", "proxies"):
        return ExplainedScores(classifier=classifier, kinds=("nearest",), centroids_CD=None)
    if kind == "mixture":
        return ExplainedScores(classifier=classifier, kinds=("head", "nearest"), centroids_CD=None)
    if kind == "neighbours":
        rows_MD, labels_M = (classifier.arrays[name] for name in ("rows", "labels"))
        own_CD = class_centroids(rows_MD, labels_M, len(classifier.labels))
        return ExplainedScores(classifier=classifier, kinds=("nearest",), centroids_CD=own_CD)
    kinds: tuple[Kind, ...] = ("head",) if centroids_CD is None else ("head", "nearest")
    return ExplainedScores(classifier=classifier, kinds=kinds, centroids_CD=centroids_CD)


def centred(scores_xC: Tensor, classes_B: Tensor) -> Tensor:
    """The score of one class less the mean of all classes, of shape x: probabilities do not change when a number is
    added to the scores of all classes, so what moves them together decides nothing.

    scores_xC: of shape (B, C) or (K, B, C).
    """
    places = classes_B.expand(scores_xC.shape[:-1]).unsqueeze(-1)
    return scores_xC.gather(-1, places).squeeze(-1) - scores_xC.mean(dim=-1)


def _margins(made: Classifier, embeddings_BD: Tensor) -> Tensor:
    """For each class the sum of its margins in the machines that compare it with another: the pairs that it wins, by
    which it is chosen, have no gradient."""
    if made.head.get("normalise"):
        embeddings_BD = F.normalize(embeddings_BD, dim=1)
    margins_BP = F.linear(embeddings_BD, made.arrays["weight"], made.arrays["bias"])
    pairs_P2, classes = made.arrays["pairs"], len(made.labels)
    signs_PC = F.one_hot(pairs_P2[:, 0], classes) - F.one_hot(pairs_P2[:, 1], classes)
    return margins_BP @ signs_PC.to(margins_BP.dtype)
