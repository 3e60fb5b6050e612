"""Scores of rows by the trained head, by the proxies or centroids, and by the nearest training rows.

Shapes: N rows to score, M training rows, K of them nearest to a row, D embedding size, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainable.evaluation.assessment import MOST_NEIGHBOURS, Scores, cross_fitted
from trainable.evaluation.geometry import PREFIX, embedding_geometry, proxy_geometry
from trainable.evaluation.heads import logistic_head
from trainable.evaluation.inference import class_scores, nearest_rows, run_encoder
from trainable.priors import configured_shift

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from trainable.batching import TokenisedRows
    from trainable.config import TrialConfig
    from trainable.encoder import Encoder
    from trainable.evaluation.assessment import Rule
    from trainable.evaluation.inference import Outputs
    from trainable.losses import LossEntry
    from trainable.objective import Embedding
    from trainable.priors import LearnsFrom

__all__ = ["Scorer", "rule_of"]

Indices = NDArray[np.int64]


def rule_of(config: TrialConfig) -> Rule:
    """Return the rule by which a trial's classifier answers: the configured one, else the head or, where beta is 0 and
    the head has learned nothing, the nearest proxy or centroid."""
    return config.inference or ("head" if config.beta > 0 else "nearest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """Scores rows by the classification rules of one replicate.

    config: the trial's configuration.
    embedding: what its metric loss sees.
    entry: the loss that is trained.
    encoder: the encoder that is trained, with its head.
    metric_loss: the loss's module with its proxies; None where it is not trained, beta being 1.
    head: the head on the sentence embedding, or None for the encoder's own.
    modules: what is applied to a pooled embedding, or None.
    pool: the tokens of the dataset's pool.
    train_M: indices of the training rows in the pool.
    num_classes: C.
    device: where the encoder runs.
    bf16: whether it runs in bfloat16.
    penalty: inverse strength of the L2 penalty of a logistic regression on the embeddings.
    balanced: whether that regression weighs classes inversely to their rows.
    """

    config: TrialConfig
    embedding: Embedding
    entry: LossEntry
    encoder: Encoder
    metric_loss: nn.Module | None
    head: nn.Module | None
    pool: TokenisedRows
    train_M: Indices
    num_classes: int
    device: torch.device
    bf16: bool
    modules: nn.Module | None = None
    penalty: float = 1.0
    balanced: bool = False

    @property
    def rule(self) -> Rule:
        """The rule that the search uses."""
        return rule_of(self.config)

    def by_rule(self, rows: TokenisedRows, scored_N: Indices) -> NDArray[np.floating]:
        """Return scores_NC of validation rows by the rule that the search uses."""
        if self.rule == "head":
            return _array(self._run(rows, scored_N).logits_NC)
        if self.rule != "nearest":
            (scores,) = self.by_all_rules((rows, scored_N))
            return cross_fitted(self.rule, scores, beta=self.config.beta)
        by_proxies = self.entry.has_proxies and self.metric_loss is not None  # there are none where beta is 1
        train_MD = None if by_proxies else self._embeddings(self.pool, self.train_M)
        return _array(self._nearest(self._embeddings(rows, scored_N), train_MD))

    def embedded_rows(self) -> tuple[NDArray[np.float32], Indices]:
        """Return embeddings_MD and labels_M of the training rows."""
        return _array(self._embeddings(self.pool, self.train_M)), self._train_labels

    def by_all_rules(self, *parts: tuple[TokenisedRows, Indices]) -> tuple[Scores, ...]:
        """Return the scores of each part by every classification rule, encoding training rows and parts once."""
        train_MD = self._embeddings(self.pool, self.train_M)
        return tuple(self._scores(rows, scored_N, train_MD) for rows, scored_N in parts)

    def _scores(self, rows: TokenisedRows, scored_N: Indices, train_MD: Tensor) -> Scores:
        outputs = self._run(rows, scored_N, embedding=self._embedding)
        assert outputs.embeddings_ND is not None, "embeddings were asked for"
        cosines_NK, positions_NK = nearest_rows(
            outputs.embeddings_ND, train_MD, min(MOST_NEIGHBOURS, len(self.train_M))
        )
        return Scores(
            labels_N=rows.labels_N[scored_N],
            head_NC=_array(outputs.logits_NC),
            nearest_NC=_array(self._nearest(outputs.embeddings_ND, train_MD)),
            cosines_NK=_array(cosines_NK),
            neighbours_NK=self._train_labels[_array(positions_NK)],
            logistic_NC=self._logistic(outputs.embeddings_ND, train_MD) if self.rule == "logistic" else None,
            raw_NC=self._raw_proxy_scores(outputs.embeddings_ND),
            embeddings_ND=_array(outputs.embeddings_ND),
        )

    def geometry(self, scores: Scores) -> dict[str, float]:
        """Return how the embeddings of scored rows lie, and the proxies, if any, as metrics."""
        assert scores.embeddings_ND is not None, "rows that were scored by every rule"
        found = embedding_geometry(scores.embeddings_ND, scores.labels_N)
        if self.metric_loss is not None and self.entry.proxies is not None:
            proxies_PD = _array(self.entry.proxies(self.metric_loss).weights_PD.detach())
            found |= proxy_geometry(proxies_PD, scores.embeddings_ND, self.num_classes)
        return {PREFIX + name: value for name, value in found.items()}

    def _logistic(self, embeddings_ND: Tensor, train_MD: Tensor) -> NDArray[np.float64]:
        """Return the scores of a logistic regression on the embeddings of the training rows."""
        head = logistic_head(
            _array(train_MD),
            self._train_labels,
            self.num_classes,
            C=self.penalty,
            normalise=True,
            balanced=self.balanced,
        )
        return head(_array(embeddings_ND)) + self._shift_C("draw")

    def _raw_proxy_scores(self, embeddings_ND: Tensor) -> NDArray[np.float32] | None:
        """Return what the papers' code takes for class scores: the library's logits, unscaled."""
        import torch

        module: Any = self.metric_loss
        if not self.config.published or module is None or not self.entry.has_proxies:
            return None
        with torch.no_grad():
            return _array(module.get_logits(embeddings_ND))

    def _nearest(self, embeddings_ND: Tensor, train_MD: Tensor | None) -> Tensor:
        import torch

        labels_M = torch.from_numpy(self._train_labels).to(self.device)
        return class_scores(self.entry, self.metric_loss, embeddings_ND, train_MD, labels_M, self.num_classes)

    def _embeddings(self, rows: TokenisedRows, indices_N: Indices) -> Tensor:
        embeddings_ND = self._run(rows, indices_N, embedding=self._embedding).embeddings_ND
        assert embeddings_ND is not None, "embeddings were asked for"
        return embeddings_ND

    def _run(self, rows: TokenisedRows, indices_N: Indices, embedding: Embedding | None = None) -> Outputs:
        import torch

        model, seen = self.encoder.model, self._embedding if self.head is not None else embedding
        outputs = run_encoder(
            model, rows, indices_N, device=self.device, bf16=self.bf16, embedding=seen, modules=self.modules
        )
        if self.head is not None and outputs.embeddings_ND is not None:
            with torch.inference_mode():
                outputs = replace(outputs, logits_NC=self.head(outputs.embeddings_ND))
        if self.config.priors == "draw":
            return outputs
        shift_C = torch.from_numpy(self._shift_C("batches")).to(outputs.logits_NC)
        return replace(outputs, logits_NC=outputs.logits_NC + shift_C)

    @property
    def _embedding(self) -> Embedding:
        """The papers' code scores by the embedding of the first token, though its proxies are trained on all tokens."""
        by_first_token = self.config.published and self.embedding == "tokens"
        return "cls" if by_first_token else self.embedding

    def _shift_C(self, by: LearnsFrom) -> NDArray[np.float64]:  # noqa: N802
        """What is added to the scores of the head, which learns from batches, or of the logistic regression, which
        learns from the draw."""
        return configured_shift(self.config, self._train_labels, self.pool.labels_N, self.num_classes, by=by)

    @property
    def _train_labels(self) -> Indices:
        return self.pool.labels_N[self.train_M]


def _array(tensor: Tensor) -> NDArray[Any]:
    array: NDArray[Any] = tensor.cpu().numpy()
    return array
