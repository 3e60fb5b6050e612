"""A frozen encoder with a small classifier: the recipe `frozen` at work.

Shapes: M training rows, C classes, D embedding size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, TypeAlias

from trainable.class_texts import class_rows
from trainable.embeddings import FrozenEncoder
from trainable.evaluation.heads import Classifier, centroid_head, logistic_head, neighbours_head, svm_head
from trainable.evaluation.parts import assess_parts
from trainable.priors import configured_shift
from trainable.recipes.entry import Measurement
from trainable.recipes.frozen import Frozen
from trainable.recipes.label_names import LabelNames

if TYPE_CHECKING:
    from trainable.recipes.entry import Trial

__all__ = ["FrozenClassifier", "fit_head", "fit_names"]


Fit: TypeAlias = Callable[["Trial", FrozenEncoder, int], Classifier]
"""Called as fit(trial, frozen, replicate) -> the classifier of that replicate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenClassifier:
    """A recipe that trains no encoder, at work on a trial.

    trial: what all of its replicates share.
    frozen: its encoder.
    fit: makes the classifier of a replicate.
    """

    trial: Trial
    frozen: FrozenEncoder
    fit: Fit

    @classmethod
    def begun(cls, trial: Trial, fit: Fit) -> FrozenClassifier:
        """Load the encoder. Raises TrainableError if it cannot be used."""
        return cls(trial=trial, frozen=FrozenEncoder.of(trial.config, len(trial.data.class_names)), fit=fit)

    def measurements(self, replicate: int) -> Iterator[Measurement]:
        """Fit the classifier to `trial.samples[replicate]`, and yield the one measurement of it."""
        began = perf_counter()
        classifier = self.fit(self.trial, self.frozen, replicate)
        fitted = perf_counter()
        nearest = classifier if isinstance(self.trial.config.recipe, LabelNames) else self._centroids(replicate)
        scored = assess_parts(
            self.trial,
            replicate,
            lambda rows, wanted: classifier(self.frozen.embed(rows, wanted)),
            lambda rows, wanted: nearest(self.frozen.embed(rows, wanted)),
        )
        times = {"train_seconds": fitted - began, "eval_seconds": perf_counter() - fitted}
        yield Measurement.of(scored, step=0, metrics=times, trained_on=self.frozen.runs_on)

    def _centroids(self, replicate: int) -> Classifier:
        """The classifier of the nearest centroid of the training rows, whatever the recipe fits."""
        data, train_M = self.trial.data, self.trial.samples[replicate].train
        train_MD = self.frozen.embed(data.pool, train_M)
        return centroid_head(train_MD, data.pool.labels_N[train_M], len(data.class_names))

    def release(self) -> None:
        """Nothing is to be given up, since nothing but the classifier was trained."""


def fit_head(trial: Trial, frozen: FrozenEncoder, replicate: int) -> Classifier:
    """Fit the head of the recipe `frozen` to the embeddings of a replicate's training rows."""
    config, data, train_M = trial.config.recipe, trial.data, trial.samples[replicate].train
    assert isinstance(config, Frozen), "the recipe begins its own trials"
    train_MD, labels_M, num_classes = (
        frozen.embed(data.pool, train_M),
        data.pool.labels_N[train_M],
        len(data.class_names),
    )
    if config.head == "centroid":
        names_CD = frozen.embed_all(class_rows(trial.config.dataset, data)) if config.name_weight else None
        return centroid_head(train_MD, labels_M, num_classes, names_CD, weight=config.name_weight)
    if config.head == "neighbours":
        return neighbours_head(train_MD, labels_M, num_classes, neighbours=config.neighbours)
    fit = logistic_head if config.head == "logistic_regression" else svm_head
    balanced = trial.config.class_weights == "balanced"
    classifier = fit(train_MD, labels_M, num_classes, C=config.C, normalise=config.normalise, balanced=balanced)
    if config.head != "logistic_regression":
        return classifier
    shift_C = configured_shift(trial.config, labels_M, data.pool.labels_N, num_classes, by="draw")
    return lambda embeddings_ND: classifier(embeddings_ND) + shift_C


def fit_names(trial: Trial, frozen: FrozenEncoder, replicate: int) -> Classifier:
    """Score by the cosine to the embedding of each class's name, as `label_names` does; no training row is read."""
    config = trial.config.recipe
    assert isinstance(config, LabelNames), "the recipe begins its own trials"
    names = class_rows(trial.config.dataset, trial.data, config.template)
    return centroid_head(frozen.embed_all(names), names.labels_N, len(names))
