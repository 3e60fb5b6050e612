"""One replicate: an encoder trained on one draw, evaluated on the way.

Shapes: N rows to score, M training rows, S steps since the last evaluation, K terms recorded at each step.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from trainable.assessment import Assessment, assess_test, assess_validation
from trainable.batching import tokenise, training_batches
from trainable.draws import initialisation_seed
from trainable.objective import Objective
from trainable.optimiser import build_optimiser, learning_rate_factor
from trainable.scoring import Scorer

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import PreTrainedModel

    from trainable.batching import Batch, TokenisedRows
    from trainable.config import TrialConfig
    from trainable.datasets.text_data import TextData
    from trainable.draws import Draw
    from trainable.encoder import Encoder
    from trainable.graphs import GraphedModel
    from trainable.losses import LossEntry

__all__ = ["DivergedError", "Evaluation", "Part", "Trial", "evaluation_points", "evaluations"]

Part = Literal["validation", "test"]

_CHECK_EVERY = {
    "cpu": 1,
    "cuda": 16,
}  # steps between looks for a non-finite loss; on a GPU each look waits for the device


class DivergedError(Exception):
    """A loss, a gradient or a score is not finite. step: the optimiser step at which it was, counted from 1."""

    def __init__(self, step: int, reason: str) -> None:
        super().__init__(reason)
        self.step = step


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What all replicates of a trial share. draws: their indices; samples: the rows of each; part: what is scored.

    initialisation: which of each draw's initialisations is trained.
    """

    config: TrialConfig
    entry: LossEntry
    data: TextData
    encoder: Encoder
    draws: tuple[int, ...]
    samples: tuple[Draw, ...]
    part: Part
    initialisation: int = 0

    @property
    def points(self) -> list[int]:
        """The steps after which a replicate is evaluated. The test part is scored once, at the end."""
        return evaluation_points(self.config.steps, 1 if self.part == "test" else self.config.evaluations)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The state after `step` optimiser steps; metrics, confusion and trained_on are those of a report."""

    step: int
    metrics: dict[str, float]
    trained_on: str
    confusion: tuple[tuple[int, ...], ...] = ()


def evaluation_points(steps: int, count: int) -> list[int]:
    """The steps after which a replicate is evaluated: evenly spaced, all different, the last one the last step."""
    return [steps * number // count for number in range(1, count + 1)]


def evaluations(trial: Trial, replicate: int) -> Generator[Evaluation, None, None]:
    """Bring the encoder back to its pretrained state, train it on `trial.samples[replicate]`, evaluate it on the way.

    All randomness derives from the trial's seed, the draw's index and the initialisation. Raises DivergedError for a
    value that is not finite.
    """
    learner = _start(trial, replicate)
    validation_N = trial.samples[replicate].validation
    test = tokenise(trial.data.test, trial.encoder, trial.config.max_length) if trial.part == "test" else None
    for point in trial.points:
        began = perf_counter()
        means = learner.train_until(point)
        trained = perf_counter()
        scored = learner.validate(validation_N) if test is None else learner.assess(validation_N, test)
        times = {"train_seconds": trained - began, "eval_seconds": perf_counter() - trained}
        metrics = {**scored.metrics, **means, **times, "tokens": float(learner.tokens)}
        yield Evaluation(point, metrics, learner.trained_on, scored.confusion)


def _start(trial: Trial, replicate: int) -> _Learner:
    import torch

    from trainable.graphs import graphed

    config, entry, encoder, num_classes = trial.config, trial.entry, trial.encoder, len(trial.data.class_names)
    seed = initialisation_seed(config.seed, trial.draws[replicate], trial.initialisation)
    head_seed, proxy_seed, dropout_seed, order_seed = map(int, np.random.SeedSequence(seed).generate_state(4))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder.model.to(device)  # type: ignore[arg-type]  # the library's wrapper hides the signature
    encoder.model.zero_grad(set_to_none=True)  # what an error in the middle of a step may have left
    encoder.reset(head_seed)
    metric_loss = None
    if entry.build is not None and config.beta < 1:
        torch.manual_seed(proxy_seed)
        metric_loss = entry.build(config.loss, num_classes, encoder.embedding_size).to(device)
    torch.manual_seed(dropout_seed)  # apart from the proxies, so that the losses of a comparison share the dropout
    optimiser = build_optimiser(config, encoder, metric_loss)
    pool, train_M = tokenise(trial.data.pool, encoder, config.max_length), trial.samples[replicate].train
    batches = training_batches(
        pool.labels_N[train_M],
        config.batch_size,
        pairs=entry.needs_pairs and config.beta < 1,
        generator=np.random.default_rng(order_seed),
    )
    bf16 = _uses_bf16(config, device)
    scorer = Scorer(
        config=config,
        entry=entry,
        encoder=encoder,
        metric_loss=metric_loss,
        pool=pool,
        train_M=train_M,
        num_classes=num_classes,
        device=device,
        bf16=bf16,
    )
    padding = config.published and config.embedding == "tokens" and metric_loss is not None
    model = graphed(encoder.model)
    padded_N = np.arange(len(pool.labels_N)) if padding else train_M
    return _Learner(
        trial=trial,
        model=model,
        objective=Objective(config.beta, config.embedding, metric_loss, padding=padding),
        scorer=scorer,
        optimiser=optimiser,
        weights=[parameter for group in optimiser.param_groups for parameter in group["params"]],
        pool=pool,
        train_M=train_M,
        batches=batches,
        width=0 if model is encoder.model and not padding else int(pool.lengths(padded_N).max()),
        device=device,
        bf16=bf16,
    )


def _uses_bf16(config: TrialConfig, device: torch.device) -> bool:
    import torch

    if config.precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return config.precision == "bf16"


@dataclass(slots=True, kw_only=True)
class _Learner:
    """The moving parts of a replicate. terms: a vector_K for each step since the last evaluation, named by `names`.

    model: what runs the encoder in training. weights: all that is trained. width: tokens that a batch is padded to at
    least. chosen, batch: the last batch, by its rows of the draw and as tensors.
    """

    trial: Trial
    model: PreTrainedModel | GraphedModel
    objective: Objective
    scorer: Scorer
    optimiser: torch.optim.Optimizer
    weights: list[Tensor]
    pool: TokenisedRows
    train_M: NDArray[np.int64]
    batches: Iterator[NDArray[np.int64]]
    width: int
    device: torch.device
    bf16: bool
    step: int = 0
    tokens: int = 0
    names: tuple[str, ...] = ()
    terms: list[Tensor] = field(default_factory=list)
    chosen: NDArray[np.int64] | None = None
    batch: Batch | None = None

    @property
    def trained_on(self) -> str:
        """Device and precision: `NVIDIA L4 (bf16)` or `cpu (fp32)`."""
        import torch

        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else self.device.type
        return f"{name} ({'bf16' if self.bf16 else 'fp32'})"

    def train_until(self, point: int) -> dict[str, float]:
        """Train up to step `point`; the mean of each recorded term over these steps."""
        self.trial.encoder.model.train()
        self.terms.clear()
        checked = 0
        while self.step < point:
            self._train_step()
            if self.step == point or self.step % _CHECK_EVERY[self.device.type] == 0:
                self._check_finite(checked)
                checked = len(self.terms)
        return dict(zip(self.names, _stacked(self.terms).mean(axis=0).tolist(), strict=True))

    def _train_step(self) -> None:
        import torch

        factor = learning_rate_factor(self.trial.config, self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * factor
        batch = self._next_batch()
        terms = self.objective(self.model, batch, bf16=self.bf16)
        terms.loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.weights, self.trial.config.clip)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        self.tokens += len(batch.real_M)
        recorded = {
            "train_loss": terms.loss,
            "train_cross_entropy": terms.cross_entropy,
            "train_metric_loss": terms.metric_loss,
            "gradient_norm": norm,
        }
        present = {name: value.detach() for name, value in recorded.items() if value is not None}
        self.names = tuple(present)
        self.terms.append(torch.stack(list(present.values())))

    def _next_batch(self) -> Batch:
        chosen = next(self.batches)
        if self.batch is None or chosen is not self.chosen:  # a sample used whole is padded and moved only once
            self.chosen, self.batch = chosen, self.pool.batch(self.train_M[chosen], self.device, self.width)
        return self.batch

    def _check_finite(self, checked: int) -> None:
        terms_SK = _stacked(self.terms[checked:])
        bad_S = ~np.isfinite(terms_SK).all(axis=1)
        if bad_S.any():
            row = int(bad_S.argmax())
            step = self.step - len(terms_SK) + row + 1
            name, value = next((n, v) for n, v in zip(self.names, terms_SK[row], strict=True) if not np.isfinite(v))
            raise DivergedError(step, f"{name} is {value} at step {step} of {self.trial.config.steps}")

    def validate(self, validation_N: NDArray[np.int64]) -> Assessment:
        """Metrics of the rows of the pool at `validation_N`, by the rule that the search uses."""
        scores_NC = self.scorer.by_rule(self.pool, validation_N)
        self._check_scores(finite=bool(np.isfinite(scores_NC).all()))
        return assess_validation(scores_NC, self.pool.labels_N[validation_N])

    def assess(self, validation_N: NDArray[np.int64], test: TokenisedRows) -> Assessment:
        """Metrics of the test rows by every way to classify, which the rows at `validation_N` may choose about."""
        every_N = np.arange(len(test.labels_N))
        validation, tested = self.scorer.by_every_way((self.pool, validation_N), (test, every_N))
        self._check_scores(finite=validation.are_finite and tested.are_finite)
        return assess_test(validation, tested, beta=self.trial.config.beta)

    def _check_scores(self, *, finite: bool) -> None:
        if not finite:
            raise DivergedError(
                self.step, f"class scores are not finite after step {self.step} of {self.trial.config.steps}"
            )


def _stacked(terms: list[Tensor]) -> NDArray[np.float32]:
    import torch

    terms_SK: NDArray[np.float32] = torch.stack(terms).float().cpu().numpy()
    return terms_SK
