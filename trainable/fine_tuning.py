"""Fine-tuning: an encoder trained on one draw and evaluated at fixed steps.

Shapes: N rows of the pool, M of them to train on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainable.batching import tokenise, training_batches
from trainable.draws import initialisation_seed
from trainable.encoder import load_encoder
from trainable.encoder.layers import new_weights
from trainable.evaluation.inference import run_encoder
from trainable.evaluation.scoring import Scorer
from trainable.learner import DivergedError, Learner
from trainable.losses import LOSSES
from trainable.objective import Objective, balancing_weights
from trainable.optimiser import build_optimiser, layer_rates
from trainable.precision import accelerator
from trainable.priors import are_balanced, batch_rows
from trainable.recipes.entry import Measurement
from trainable.recipes.metric_then_head import MetricThenHead
from trainable.trained_weights import check_trained

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from trainable.batching import TokenisedRows
    from trainable.datasets.text_data import Rows
    from trainable.encoder import Encoder
    from trainable.encoder.modules import EmbeddingModules
    from trainable.losses import LossEntry
    from trainable.objective import Embedding
    from trainable.recipes.entry import Trial

__all__ = ["FineTuning", "evaluation_points"]

_SILENT = 5.0  # seconds of training without a word


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuning:
    """The recipe at work on a trial.

    trial: what all of its replicates share.
    encoder: its encoder, with a head for the dataset's classes.
    embedding: what its metric loss sees.
    entry: its loss.
    """

    trial: Trial
    encoder: Encoder
    embedding: Embedding
    entry: LossEntry

    @classmethod
    def begun(cls, trial: Trial) -> FineTuning:
        """Load the encoder. Raises TrainableError if it cannot be used, or fields do not suit it or the data."""
        config = trial.config
        encoder = load_encoder(config.encoder, config.encoder_revision, len(trial.data.class_names))
        encoder.check_length(config.max_length)
        embedding = encoder.embedding_for(config.embedding, published=config.published)
        encoder.modules_for(config.embedding)
        check_trained(config, encoder)
        return cls(trial=trial, encoder=encoder, embedding=embedding, entry=LOSSES[config.fine_tuned_with.name])

    @property
    def points(self) -> list[int]:
        """The steps after which a replicate is evaluated."""
        return evaluation_points(self.trial.config.steps, self.trial.evaluations)

    def tokens(self, rows: Rows) -> TokenisedRows:
        """Return the tokens of rows as the encoder reads them."""
        config = self.trial.config
        return tokenise(rows, self.encoder, config.max_length, self.encoder.prompt(config.prompt))

    @property
    def modules(self) -> EmbeddingModules | None:
        """What is applied to a pooled embedding."""
        return self.encoder.modules_for(self.trial.config.embedding)

    def measurements(self, replicate: int) -> Iterator[Measurement]:
        """Train the pretrained encoder on `trial.samples[replicate]`, and yield its metrics at each of `points`."""
        return _measurements(self, replicate)

    def trained(self, replicate: int, told: Callable[[str], None] = lambda said: None) -> Learner:
        """Train the pretrained encoder on `trial.samples[replicate]` to the last step, and score nothing.

        told: called with each tenth of the steps, if that took seconds.

        Raises DivergedError as `measurements` does.
        """
        learner = _learner(self, replicate)
        steps, began = self.trial.config.steps, perf_counter()
        for point in evaluation_points(steps, min(10, steps)):
            learner.train_until(point)
            if perf_counter() - began > _SILENT and point < steps:
                told(f"step {point:,} of {steps:,}")
                began = perf_counter()
        return _restarted(self, replicate, learner)[0]

    def release(self) -> None:
        """Give up the gradients."""
        self.encoder.model.zero_grad(set_to_none=True)


def evaluation_points(steps: int, count: int) -> list[int]:
    """Return the `count` steps after which a replicate is evaluated: evenly spaced, and the last one is `steps`."""
    return [steps * number // count for number in range(1, count + 1)]


def _measurements(run: FineTuning, replicate: int) -> Iterator[Measurement]:
    trial, learner = run.trial, _learner(run, replicate)
    test = run.tokens(trial.data.test) if trial.part == "test" else None
    restarts = 0
    for point in run.points:
        began = perf_counter()
        means = learner.train_until(point)
        if point == trial.config.steps:
            learner, again, restarts = _restarted(run, replicate, learner)
            means = again or means
        trained = perf_counter()
        sample = trial.samples[replicate]
        scored = (
            learner.validate(sample.validation)
            if test is None
            else learner.assess(sample.validation, test, trial.test_rows(replicate), trial.temperature)
        )
        times = {"train_seconds": trained - began, "eval_seconds": perf_counter() - trained}
        counted = {"restarts": float(restarts)} if trial.config.restarts else {}
        told = {**means, **times, **counted, "tokens": float(learner.tokens)}
        yield Measurement.of(scored, step=point, metrics=told, trained_on=learner.trained_on)


def _restarted(run: FineTuning, replicate: int, learner: Learner) -> tuple[Learner, dict[str, float] | None, int]:
    """Return a learner at its last step that has learned something, unless no further attempt is allowed; the means of
    its terms if it is another one, and the number of attempts after the first."""
    config, means, restarts = run.trial.config, None, 0
    while restarts < config.restarts and learner.learned_nothing():
        restarts += 1
        learner = _learner(run, replicate, restarts)
        means = learner.train_until(config.steps)
    return learner, means, restarts


def _learner(run: FineTuning, replicate: int, attempt: int = 0) -> Learner:
    """Return the untrained state of a replicate; each random stream is seeded right before it is used, and another
    attempt has streams of its own."""
    import torch

    from trainable.encoder.graphs import GraphedModel, graphed
    from trainable.encoder.packing import packed
    from trainable.encoder.used_tokens import used_tokens
    from trainable.low_rank import low_rank_updates

    trial, encoder = run.trial, run.encoder
    config = trial.config
    seed = initialisation_seed(config.seed, trial.draws[replicate], trial.initialisation)
    streams = np.random.SeedSequence(seed, spawn_key=(attempt,) if attempt else ())
    head_seed, proxy_seed, dropout_seed, order_seed, factor_seed = map(int, streams.generate_state(5))
    device = accelerator()
    encoder.to(device)
    encoder.model.zero_grad(set_to_none=True)  # an error in the middle of a step may have left gradients
    encoder.reset(head_seed, new_weights(encoder.model, config.new_layers))
    rates = layer_rates(config, encoder)
    for name, weight in encoder.model.named_parameters():  # of other trials of the process others may be frozen
        weight.requires_grad_(rates.get(name, config.encoder_lr) > 0)
    if run.modules is not None:
        run.modules.requires_grad_(True)
    updates = low_rank_updates(config, encoder, run.modules, factor_seed)
    head, metric_loss = _head_and_loss(run, replicate, device, proxy_seed)
    torch.manual_seed(dropout_seed)  # apart from the proxies, so that the losses of a comparison share the dropout
    scorer = _scorer(run, replicate, metric_loss, head, device)
    padding = config.published and run.embedding == "tokens" and metric_loss is not None
    model = graphed(encoder.model) if padding else packed(encoder.model, encoder.behaviour.first_position)
    labels_M, classes = scorer.pool.labels_N[scorer.train_M], len(trial.data.class_names)
    seen_C = batch_rows(config, labels_M, classes)
    weights_C = None if config.class_weights == "none" else balancing_weights(seen_C, device)
    used = None if config.published else used_tokens(encoder.model, scorer.pool.ids(scorer.train_M), scorer.pool.pad_id)
    return Learner(
        config=config,
        model=model,
        objective=Objective(
            config.beta, run.embedding, metric_loss, head, run.modules, padding=padding, weights_C=weights_C
        ),
        scorer=scorer,
        optimiser=build_optimiser(config, encoder, metric_loss, head, used, updates),
        batches=_batches(run, scorer, order_seed),
        width=_width(scorer, padding=padding, captured=isinstance(model, GraphedModel)),
        used=used,
        updates=updates,
    )


def _head_and_loss(
    run: FineTuning, replicate: int, device: torch.device, seed: int
) -> tuple[nn.Module | None, nn.Module | None]:
    """Return the head on the sentence embedding, or None for the encoder's own, and the metric loss with new proxies,
    if it has any, or None where it has no share in the objective."""
    import torch

    from trainable.centroid_head import CentroidHead, class_centroids
    from trainable.projection import ProjectedLoss
    from trainable.proxy_start import start_at_centroids

    config, classes = run.trial.config, len(run.trial.data.class_names)
    metric_loss = None
    if run.entry.build is not None and config.beta < 1:
        torch.manual_seed(seed)
        size = run.encoder.size_for(config.embedding)
        metric_loss = run.entry.build(config.loss, classes, size)
        if config.projection is not None:
            metric_loss = ProjectedLoss(metric_loss, size, config.projection)
        metric_loss.to(device)
    start = run.entry.proxy_start if config.proxy_start == "auto" else config.proxy_start
    placed = metric_loss is not None and run.entry.has_proxies and start == "centroids"
    if config.head == "checkpoint" and not placed:
        return None, metric_loss
    embeddings_MD, labels_M = _pretrained_embeddings(run, replicate, device)
    if placed and metric_loss is not None:
        start_at_centroids(metric_loss, embeddings_MD, labels_M, classes, seed)
    head = CentroidHead(class_centroids(embeddings_MD, labels_M, classes)) if config.head == "centroid" else None
    return head, metric_loss


def _pretrained_embeddings(run: FineTuning, replicate: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return embeddings_MD and labels_M of the draw's rows by the encoder as it is, which has just been reset.

    Raises DivergedError if they are not finite: weights that are none would fail in k-means, in other words.
    """
    import torch

    config, pool = run.trial.config, run.trial.data.pool
    train_M = run.trial.samples[replicate].train
    tokens, bf16 = run.tokens(pool), run.encoder.uses_bf16(config.precision, device)
    outputs = run_encoder(
        run.encoder.model, tokens, train_M, device=device, bf16=bf16, embedding=run.embedding, modules=run.modules
    )
    assert outputs.embeddings_ND is not None, "embeddings were asked for"
    if not bool(outputs.embeddings_ND.isfinite().all()):
        raise DivergedError(0, f"embeddings of {run.encoder.name!r} are not finite")
    return outputs.embeddings_ND.clone(), torch.from_numpy(pool.labels_N[train_M]).to(device)  # no inference tensors


def _scorer(
    run: FineTuning,
    replicate: int,
    metric_loss: nn.Module | None,
    head: nn.Module | None,
    device: torch.device,
) -> Scorer:
    trial, recipe = run.trial, run.trial.config.recipe
    return Scorer(
        config=trial.config,
        embedding=run.embedding,
        entry=run.entry,
        encoder=run.encoder,
        metric_loss=metric_loss,
        head=head,
        pool=run.tokens(trial.data.pool),
        modules=run.modules,
        train_M=trial.samples[replicate].train,
        num_classes=len(trial.data.class_names),
        device=device,
        bf16=run.encoder.uses_bf16(trial.config.precision, device),
        balanced=trial.config.class_weights == "balanced",
        penalty=recipe.C if isinstance(recipe, MetricThenHead) else 1.0,
    )


def _batches(run: FineTuning, scorer: Scorer, seed: int) -> Iterator[NDArray[np.int64]]:
    config = run.trial.config
    return training_batches(
        scorer.pool.labels_N[scorer.train_M],
        config.batch_size,
        balanced=are_balanced(config),
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
