"""The training loop of a replicate: an encoder, its objective and an optimiser, trained step by step and evaluated.

Shapes: N rows to score, M training rows, S steps since the last evaluation, K terms logged at each step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainable.evaluation.assessment import Assessment, assess_test, assess_validation
from trainable.optimiser import learning_rate_factor
from trainable.precision import trained_on

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import PreTrainedModel

    from trainable.batching import Batch, TokenisedRows
    from trainable.config import TrialConfig
    from trainable.encoder.graphs import GraphedModel
    from trainable.encoder.packing import PackedModel
    from trainable.encoder.used_tokens import UsedTokens
    from trainable.evaluation.scoring import Scorer
    from trainable.low_rank import LowRankUpdates
    from trainable.objective import Objective

__all__ = ["DivergedError", "Learner"]

_CHECK_EVERY = {"cpu": 1, "cuda": 16}
"""Steps between checks for a non-finite loss, by device; on a GPU each check waits for the device."""


class DivergedError(Exception):
    """A loss, a gradient or a score is not finite.

    step: the optimiser step at which it occurred, counted from 1.
    """

    def __init__(self, step: int, reason: str) -> None:
        super().__init__(reason)
        self.step = step


@dataclass(slots=True, kw_only=True)
class Learner:
    """The training state of one replicate.

    config: the trial's configuration.
    model: the encoder as training calls it, eagerly, through CUDA graphs or without padding.
    objective: computes the loss of a batch.
    scorer: scores rows; it also holds the draw's training rows, the device and the precision.
    optimiser: updates encoder, head and proxies.
    batches: endless positions of rows within the draw, one array for each step.
    width: the number of tokens that every batch is padded to at least.
    used: what is trained of the token embeddings; None for all of them, or none.
    updates: what is trained in place of the encoder's matrices; None where they are trained themselves.
    step: optimiser steps done.
    tokens: real tokens trained on.
    names: the K terms that are logged at each step.
    terms: their values, a vector_K for each step since the last evaluation.
    chosen: the positions of the last batch.
    batch: the tensors of the last batch.
    """

    config: TrialConfig
    model: PreTrainedModel | GraphedModel | PackedModel
    objective: Objective
    scorer: Scorer
    optimiser: torch.optim.Optimizer
    batches: Iterator[NDArray[np.int64]]
    width: int
    used: UsedTokens | None = None
    updates: LowRankUpdates | None = None
    step: int = 0
    tokens: int = 0
    names: tuple[str, ...] = ()
    terms: list[Tensor] = field(default_factory=list)
    chosen: NDArray[np.int64] | None = None
    batch: Batch | None = None

    @property
    def trained_on(self) -> str:
        """Device and precision, such as `NVIDIA L4 (bf16)` or `cpu (fp32)`."""
        return trained_on(self.scorer.device, bf16=self.scorer.bf16)

    def train_until(self, point: int) -> dict[str, float]:
        """Train up to step `point` and return the mean of each logged term over these steps, by name.

        Raises DivergedError if a loss or a gradient is not finite.
        """
        self.scorer.encoder.model.train()
        self.terms.clear()
        checked = 0
        with self.used.training() if self.used is not None else nullcontext():
            while self.step < point:
                self._train_step()
                if self.step == point or self.step % _CHECK_EVERY[self.scorer.device.type] == 0:
                    self._check_finite(checked)
                    checked = len(self.terms)
        return dict(zip(self.names, _stacked(self.terms).mean(axis=0).tolist(), strict=True))

    def _train_step(self) -> None:
        import torch

        factor = learning_rate_factor(self.config, self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * factor
            if self.used is not None and any(weight is self.used.weight for weight in group["params"]):
                self.used.decay(group)
        batch = self._next_batch()
        terms = self.objective(self.model, batch, bf16=self.scorer.bf16)
        terms.loss.backward()  # type: ignore[no-untyped-call]
        if self.updates is not None:
            self.updates.take_gradients()
        norm = torch.nn.utils.clip_grad_norm_(self._weights, self.config.clip)
        self.optimiser.step()
        if self.updates is not None:
            self.updates.apply()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        self.tokens += len(batch.real_M)
        logged = {
            "train_loss": terms.loss,
            "train_cross_entropy": terms.cross_entropy,
            "train_metric_loss": terms.metric_loss,
            "gradient_norm": norm,
        }
        present = {name: value.detach() for name, value in logged.items() if value is not None}
        self.names = tuple(present)
        self.terms.append(torch.stack(list(present.values())))

    def _next_batch(self) -> Batch:
        chosen = next(self.batches)
        if self.batch is None or chosen is not self.chosen:  # a sample used whole is padded and moved only once
            rows = np.tile(self.scorer.train_M[chosen], self.config.views)
            self.chosen, self.batch = chosen, self.scorer.pool.batch(rows, self.scorer.device, self.width)
        return self.batch

    @property
    def _weights(self) -> list[Tensor]:
        return [weight for group in self.optimiser.param_groups for weight in group["params"]]

    def _check_finite(self, checked: int) -> None:
        terms_SK = _stacked(self.terms[checked:])
        bad_S = ~np.isfinite(terms_SK).all(axis=1)
        if bad_S.any():
            row = int(bad_S.argmax())
            step = self.step - len(terms_SK) + row + 1
            name, value = next(pair for pair in zip(self.names, terms_SK[row], strict=True) if not np.isfinite(pair[1]))
            raise DivergedError(step, f"{name} is {value} at step {step} of {self.config.steps}")

    def validate(self, validation_N: NDArray[np.int64]) -> Assessment:
        """Return the metrics of the pool's rows at `validation_N`, scored by the rule that the search uses.

        Raises DivergedError if a score is not finite.
        """
        scores_NC = self.scorer.by_rule(self.scorer.pool, validation_N)
        self._check_scores(finite=bool(np.isfinite(scores_NC).all()))
        return assess_validation(scores_NC, self.scorer.pool.labels_N[validation_N])

    def learned_nothing(self) -> bool:
        """Return whether the training rows, of more than one class, are classified no better than by their majority
        class: what Mosbach et al., 2021 (arXiv:2006.04884) call a failed run, of which held-out rows need not tell."""
        train_M = self.scorer.train_M
        labels_M = self.scorer.pool.labels_N[train_M]
        largest = int(np.bincount(labels_M).max())
        hits = int((self.scorer.by_rule(self.scorer.pool, train_M).argmax(axis=1) == labels_M).sum())
        return hits <= largest < len(labels_M)

    def assess(
        self,
        validation_N: NDArray[np.int64],
        test: TokenisedRows,
        test_T: NDArray[np.int64],
        temperature: float | None = None,
    ) -> Assessment:
        """Return the metrics of the test rows at `test_T` by every classification rule; what a rule leaves open is
        chosen on the pool's rows at `validation_N`, or not at all where there are none; and how their embeddings lie.

        temperature: what scores are divided by where there are no validation rows.

        Raises DivergedError if a score is not finite.
        """
        wanted = [(self.scorer.pool, validation_N)] if len(validation_N) else []
        *first, tested = self.scorer.by_all_rules(*wanted, (test, test_T))
        validation = first[0] if first else None
        self._check_scores(finite=tested.are_finite and (validation is None or validation.are_finite))
        found = assess_test(validation, tested, beta=self.config.beta, rule=self.scorer.rule, temperature=temperature)
        return replace(found, metrics={**found.metrics, **self.scorer.geometry(tested)})

    def _check_scores(self, *, finite: bool) -> None:
        if not finite:
            raise DivergedError(self.step, f"class scores are not finite after step {self.step} of {self.config.steps}")


def _stacked(terms: list[Tensor]) -> NDArray[np.float32]:
    import torch

    terms_SK: NDArray[np.float32] = torch.stack(terms).float().cpu().numpy()
    return terms_SK
