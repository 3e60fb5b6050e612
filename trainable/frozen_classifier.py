"""A frozen encoder with a small classifier: the recipe `frozen` at work.

Shapes: N rows to score, M training rows, C classes, D embedding size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainable.embeddings import FrozenEncoder
from trainable.encoder import load_encoder
from trainable.evaluation.assessment import assess_scores
from trainable.evaluation.heads import Classifier, centroid_head, logistic_head, neighbours_head, svm_head
from trainable.precision import accelerator, trained_on, uses_bf16
from trainable.recipes.entry import Measurement
from trainable.recipes.frozen import Frozen

if TYPE_CHECKING:
    from trainable.recipes.entry import Trial

__all__ = ["FrozenClassifier"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenClassifier:
    """The recipe at work on a trial.

    trial: what all of its replicates share.
    frozen: its encoder.
    """

    trial: Trial
    frozen: FrozenEncoder

    @classmethod
    def begun(cls, trial: Trial) -> FrozenClassifier:
        """Load the encoder. Raises TrainableError if it cannot be used."""
        config = trial.config
        encoder = load_encoder(config.encoder, config.encoder_revision, len(trial.data.class_names))
        encoder.check_length(config.max_length)
        device = accelerator()
        frozen = FrozenEncoder(
            encoder=encoder,
            embedding=encoder.embedding_for(config.embedding),
            max_length=config.max_length,
            device=device,
            bf16=uses_bf16(config.precision, device),
        )
        return cls(trial=trial, frozen=frozen)

    def measurements(self, replicate: int) -> Iterator[Measurement]:
        """Fit the classifier to `trial.samples[replicate]`, and yield the one measurement of it."""
        began = perf_counter()
        data, sample = self.trial.data, self.trial.samples[replicate]
        train_MD = self.frozen.embed(data.pool, sample.train)
        classifier = _fitted(self.config, train_MD, data.pool.labels_N[sample.train], len(data.class_names))
        fitted = perf_counter()
        validation_NC = classifier(self.frozen.embed(data.pool, sample.validation))
        scored = assess_scores("val_", validation_NC, data.pool.labels_N[sample.validation])
        if self.trial.part == "test":
            test_N = np.arange(len(data.test))
            tested = assess_scores("test_", classifier(self.frozen.embed(data.test, test_N)), data.test.labels_N)
            scored = replace(tested, metrics={**scored.metrics, **tested.metrics})
        else:
            scored = replace(scored, confusion=())
        times = {"train_seconds": fitted - began, "eval_seconds": perf_counter() - fitted}
        where = trained_on(self.frozen.device, bf16=self.frozen.bf16)
        yield Measurement(0, {**scored.metrics, **times}, where, scored.confusion)

    def release(self) -> None:
        """Nothing is to be given up, since nothing but the classifier was trained."""

    @property
    def config(self) -> Frozen:
        """The fields of the recipe."""
        assert isinstance(self.trial.config.recipe, Frozen), "the recipe begins its own trials"
        return self.trial.config.recipe


def _fitted(config: Frozen, train_MD: NDArray[np.float32], labels_M: NDArray[np.int64], num_classes: int) -> Classifier:
    if config.head == "centroid":
        return centroid_head(train_MD, labels_M, num_classes)
    if config.head == "neighbours":
        return neighbours_head(train_MD, labels_M, num_classes, neighbours=config.neighbours)
    fit = logistic_head if config.head == "logistic_regression" else svm_head
    return fit(train_MD, labels_M, num_classes, C=config.C, normalise=config.normalise)
