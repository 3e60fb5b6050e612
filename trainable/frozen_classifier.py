"""A frozen encoder with a small classifier: the recipe `frozen` at work.

Shapes: M training rows, C classes, D embedding size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainable.class_texts import class_rows
from trainable.embeddings import FrozenEncoder
from trainable.evaluation.heads import Classifier, centroid_head, logistic_head, neighbours_head, svm_head
from trainable.evaluation.parts import assess_parts
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
        return cls(trial=trial, frozen=FrozenEncoder.of(trial.config, len(trial.data.class_names)))

    def measurements(self, replicate: int) -> Iterator[Measurement]:
        """Fit the classifier to `trial.samples[replicate]`, and yield the one measurement of it."""
        began = perf_counter()
        data, train_M = self.trial.data, self.trial.samples[replicate].train
        classifier = self._fitted(self.frozen.embed(data.pool, train_M), data.pool.labels_N[train_M])
        fitted = perf_counter()
        scored = assess_parts(self.trial, replicate, lambda rows, wanted: classifier(self.frozen.embed(rows, wanted)))
        times = {"train_seconds": fitted - began, "eval_seconds": perf_counter() - fitted}
        yield Measurement(0, {**scored.metrics, **times}, self.frozen.runs_on, scored.confusion)

    def release(self) -> None:
        """Nothing is to be given up, since nothing but the classifier was trained."""

    @property
    def config(self) -> Frozen:
        """The fields of the recipe."""
        assert isinstance(self.trial.config.recipe, Frozen), "the recipe begins its own trials"
        return self.trial.config.recipe

    def _fitted(self, train_MD: NDArray[np.float32], labels_M: NDArray[np.int64]) -> Classifier:
        config, num_classes = self.config, len(self.trial.data.class_names)
        if config.head == "centroid":
            return centroid_head(train_MD, labels_M, num_classes, self._names_CD(), weight=config.name_weight)
        if config.head == "neighbours":
            return neighbours_head(train_MD, labels_M, num_classes, neighbours=config.neighbours)
        fit = logistic_head if config.head == "logistic_regression" else svm_head
        return fit(train_MD, labels_M, num_classes, C=config.C, normalise=config.normalise)

    def _names_CD(self) -> NDArray[np.float32] | None:  # noqa: N802  # the suffix of a shape
        """Return the embeddings of the classes' names, if they have a say."""
        if self.config.name_weight == 0:
            return None
        return self.frozen.embed_all(class_rows(self.trial.config.dataset, self.trial.data))
