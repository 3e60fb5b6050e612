"""What is kept of a trial that trains an encoder.

Shapes: M training rows, C classes, D embedding size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from trainable.classifier import Classifier
from trainable.errors import ConfigError
from trainable.evaluation.assessment import Mixture
from trainable.evaluation.heads import class_centroids, fitted_logistic
from trainable.kept.encoder import kept_encoder
from trainable.kept.heads import by_centroids, by_neighbours, linear_arrays, shift
from trainable.kept.temperature import shifted

if TYPE_CHECKING:
    from trainable.evaluation.scoring import Scorer
    from trainable.fine_tuning import FineTuning
    from trainable.learner import Learner
    from trainable.recipes.entry import Trial

__all__ = ["Chosen", "fine_tuned", "fine_tuned_classifier", "trained_learner"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What the rules of inference leave open.

    neighbours: how many vote.
    mixture: of head and nearest.
    """

    neighbours: int = 1
    mixture: Mixture = field(default_factory=lambda: Mixture(0.5, 1.0))


def fine_tuned(
    trial: Trial, chosen: Chosen | None = None, told: Callable[[str], None] = lambda said: None
) -> Classifier:
    """Train an encoder on the rows of the first sample, and keep it with what reads it.

    chosen: what the rule of inference leaves open. told: called with what is done now, where that takes long.
    """
    with trained_learner(trial, told) as (run, learner):
        return fine_tuned_classifier(run, learner, chosen or Chosen())


@contextmanager
def trained_learner(trial: Trial, told: Callable[[str], None]) -> Iterator[tuple[FineTuning, Learner]]:
    """A fine-tuning of a trial and its learner at the last step on the first sample; they are released at the end.

    told: as of `fine_tuned`.
    """
    from trainable.fine_tuning import FineTuning

    run = FineTuning.begun(trial)
    try:
        yield run, run.trained(0, told)
    finally:
        run.release()


def fine_tuned_classifier(run: FineTuning, learner: Learner, chosen: Chosen) -> Classifier:
    """The classifier that a learner at its last step is, by the rule that the trial is scored by.

    chosen: what the rule leaves open.

    Raises ConfigError for a loss whose proxies cannot be kept.
    """
    trial, scorer = run.trial, learner.scorer
    if scorer.rule == "head":
        return _by_head(run, scorer)
    if scorer.rule == "mixture":
        return _by_mixture(run, scorer, chosen.mixture)
    made = kept_encoder(trial, run.encoder)
    if scorer.rule == "nearest":
        return _by_nearest(made, scorer)
    embeddings_MD, labels_M = scorer.embedded_rows()
    if scorer.rule == "neighbours":
        return by_neighbours(made, embeddings_MD, labels_M, chosen.neighbours)
    model = fitted_logistic(embeddings_MD, labels_M, C=scorer.penalty, normalise=True, balanced=scorer.balanced)
    return replace(
        made,
        head={"kind": "linear", "normalise": True},
        arrays=made.arrays | linear_arrays(model, shift(trial, "draw"), pairs=False),
    )


def _by_head(run: FineTuning, scorer: Scorer) -> Classifier:
    if scorer.head is None:
        return shifted(kept_encoder(run.trial, run.encoder, own=True), shift(run.trial, "batches"))
    made = kept_encoder(run.trial, run.encoder)
    state = {name: weight.detach().cpu().clone() for name, weight in scorer.head.state_dict().items()}
    state["bias"] = state["bias"] + torch.as_tensor(shift(run.trial, "batches"), dtype=state["bias"].dtype)
    return replace(made, head={"kind": "linear", "normalise": True}, arrays=made.arrays | state)


def _by_mixture(run: FineTuning, scorer: Scorer, mixture: Mixture) -> Classifier:
    """Both parts of the mixture; with the encoder's own head, the model is the whole sequence classifier."""
    head, nearest = _by_head(run, scorer), _by_nearest(kept_encoder(run.trial, run.encoder), scorer)
    fields = {"weight": mixture.weight, "temperature": mixture.temperature}
    return replace(
        nearest,
        model=head.model,
        head={"kind": "mixture", **fields, "head": head.head, "nearest": nearest.head},
        arrays=nearest.arrays | head.arrays,
    )


def _by_nearest(made: Classifier, scorer: Scorer) -> Classifier:
    embeddings_MD, labels_M = scorer.embedded_rows()
    if not scorer.entry.has_proxies or scorer.metric_loss is None:
        return by_centroids(made, class_centroids(embeddings_MD, labels_M, scorer.num_classes))
    proxies = None if scorer.entry.proxies is None else scorer.entry.proxies(scorer.metric_loss)
    if proxies is None:
        raise ConfigError(
            f"a classifier can be kept that reads by proxies where the loss says how it scores by them; "
            f"{scorer.entry.name} does not: compare it with inference: head, or give its entry the field `proxies`"
        )
    head = {"kind": "proxies", "scale": float(proxies.scale), "of_several": proxies.of_several}
    arrays = made.arrays | {"proxies": proxies.weights_PD.detach().cpu().float().contiguous()}
    return replace(made, head={**head, "sharpness": float(proxies.sharpness)}, arrays=arrays)
