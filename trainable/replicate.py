"""One replicate: an encoder trained on one draw and evaluated at fixed steps.

Shapes: N rows of the pool, M of them to train on.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from trainable.batching import tokenise, training_batches
from trainable.draws import initialisation_seed
from trainable.evaluation.scoring import Scorer
from trainable.learner import Learner
from trainable.objective import Objective
from trainable.optimiser import build_optimiser

if TYPE_CHECKING:
    import torch
    from torch import nn

    from trainable.config import TrialConfig
    from trainable.datasets.text_data import TextData
    from trainable.draws import Draw
    from trainable.encoder import Encoder
    from trainable.losses import LossEntry
    from trainable.objective import Embedding

__all__ = ["Measurement", "Part", "Trial", "evaluation_points", "measurements"]

Part = Literal["validation", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What all replicates of a trial share.

    config: the trial's configuration.
    embedding: what its metric loss sees.
    entry: its loss.
    data: its dataset.
    encoder: its encoder, with a head for the dataset's classes.
    draws: index of each replicate's draw.
    samples: training and validation rows of each replicate.
    part: the rows that are scored, validation rows alone or the test part too.
    initialisation: which of each draw's initialisations is trained; 0 is the one of a search.
    """

    config: TrialConfig
    embedding: Embedding
    entry: LossEntry
    data: TextData
    encoder: Encoder
    draws: tuple[int, ...]
    samples: tuple[Draw, ...]
    part: Part
    initialisation: int = 0

    @property
    def points(self) -> list[int]:
        """The steps after which a replicate is evaluated; with the test part, only the last step."""
        return evaluation_points(self.config.steps, 1 if self.part == "test" else self.config.evaluations)


@dataclass(frozen=True, slots=True)
class Measurement:
    """The metrics of a replicate after `step` optimiser steps; the other fields are those of an Evaluation."""

    step: int
    metrics: dict[str, float]
    trained_on: str
    confusion: tuple[tuple[int, ...], ...] = ()


def evaluation_points(steps: int, count: int) -> list[int]:
    """Return the `count` steps after which a replicate is evaluated: evenly spaced, and the last one is `steps`."""
    return [steps * number // count for number in range(1, count + 1)]


def measurements(trial: Trial, replicate: int) -> Generator[Measurement, None, None]:
    """Train the pretrained encoder on `trial.samples[replicate]`, and yield its metrics at each of `trial.points`.

    All randomness derives from the trial's seed, the draw's index and the initialisation.

    Raises DivergedError for a loss, a gradient or a score that is not finite.
    """
    learner = _learner(trial, replicate)
    validation_N = trial.samples[replicate].validation
    test = tokenise(trial.data.test, trial.encoder, trial.config.max_length) if trial.part == "test" else None
    for point in trial.points:
        began = perf_counter()
        means = learner.train_until(point)
        trained = perf_counter()
        scored = learner.validate(validation_N) if test is None else learner.assess(validation_N, test)
        times = {"train_seconds": trained - began, "eval_seconds": perf_counter() - trained}
        metrics = {**scored.metrics, **means, **times, "tokens": float(learner.tokens)}
        yield Measurement(point, metrics, learner.trained_on, scored.confusion)


def _learner(trial: Trial, replicate: int) -> Learner:
    """Return the untrained state of a replicate; each random stream is seeded right before it is used."""
    import torch

    from trainable.encoder.graphs import graphed

    config, encoder = trial.config, trial.encoder
    seed = initialisation_seed(config.seed, trial.draws[replicate], trial.initialisation)
    head_seed, proxy_seed, dropout_seed, order_seed = map(int, np.random.SeedSequence(seed).generate_state(4))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder.model.to(device)  # type: ignore[arg-type]  # the library's wrapper hides the signature
    encoder.model.zero_grad(set_to_none=True)  # an error in the middle of a step may have left gradients
    encoder.reset(head_seed)
    metric_loss = _metric_loss(trial, device, proxy_seed)
    torch.manual_seed(dropout_seed)  # apart from the proxies, so that the losses of a comparison share the dropout
    scorer = _scorer(trial, replicate, metric_loss, device)
    model = graphed(encoder.model)
    padding = config.published and trial.embedding == "tokens" and metric_loss is not None
    return Learner(
        config=config,
        model=model,
        objective=Objective(config.beta, trial.embedding, metric_loss, padding=padding),
        scorer=scorer,
        optimiser=build_optimiser(config, encoder, metric_loss),
        batches=_batches(trial, scorer, order_seed),
        width=_width(scorer, padding=padding, captured=model is not encoder.model),
    )


def _metric_loss(trial: Trial, device: torch.device, seed: int) -> nn.Module | None:
    """Return the metric loss with new proxies, if it has any, or None where it has no share in the objective."""
    import torch

    if trial.entry.build is None or trial.config.beta == 1:
        return None
    torch.manual_seed(seed)
    return trial.entry.build(trial.config.loss, len(trial.data.class_names), trial.encoder.embedding_size).to(device)


def _scorer(trial: Trial, replicate: int, metric_loss: nn.Module | None, device: torch.device) -> Scorer:
    return Scorer(
        config=trial.config,
        embedding=trial.embedding,
        entry=trial.entry,
        encoder=trial.encoder,
        metric_loss=metric_loss,
        pool=tokenise(trial.data.pool, trial.encoder, trial.config.max_length),
        train_M=trial.samples[replicate].train,
        num_classes=len(trial.data.class_names),
        device=device,
        bf16=_uses_bf16(trial.config, device),
    )


def _batches(trial: Trial, scorer: Scorer, seed: int) -> Iterator[NDArray[np.int64]]:
    return training_batches(
        scorer.pool.labels_N[scorer.train_M],
        trial.config.batch_size,
        pairs=trial.entry.needs_pairs and scorer.metric_loss is not None,
        generator=np.random.default_rng(seed),
    )


def _width(scorer: Scorer, *, padding: bool, captured: bool) -> int:
    """Return the number of tokens that every batch is padded to at least.

    Captured graphs need one length, that of the longest training row. A loss that sees padding gets the longest row of
    the whole pool, as in the papers' code. Otherwise 0: each batch is as wide as its own longest row.
    """
    if padding:
        return int(scorer.pool.lengths(np.arange(len(scorer.pool.labels_N))).max())
    return int(scorer.pool.lengths(scorer.train_M).max()) if captured else 0


def _uses_bf16(config: TrialConfig, device: torch.device) -> bool:
    import torch

    if config.precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return config.precision == "bf16"
