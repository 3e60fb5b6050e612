"""The predictions of another system, scored: the recipe `predictions` at work.

Shapes: N rows of a part of a dataset, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainable.confidences import Confidences
from trainable.evaluation.assessment import ONLY_RULE, temperature_of
from trainable.evaluation.metrics import classification_metrics, confusion_matrix, cross_entropy
from trainable.predicted_classes import PredictedClasses
from trainable.recipes.entry import Measurement
from trainable.recipes.predictions import read

if TYPE_CHECKING:
    from trainable.datasets.answers import Answers, Predicted
    from trainable.recipes.entry import Trial

__all__ = ["GivenPredictions"]

_LEAST = 1e-15  # a probability of 0 for what is true would cost infinitely much


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenPredictions:
    """The recipe at work on a trial.

    trial: what all of its replicates share; their training rows are not read.
    answers: those of the file.
    """

    trial: Trial
    answers: Answers

    @classmethod
    def begun(cls, trial: Trial) -> GivenPredictions:
        """Read the file. Raises TrainableError if it cannot be used."""
        return cls(trial=trial, answers=read(trial.config, trial.data))

    def measurements(self, replicate: int) -> Iterator[Measurement]:
        """Yield the one measurement: validation metrics only where the file answers the whole pool, and a loss only
        where it has probabilities."""
        began = perf_counter()
        data, sample = self.trial.data, self.trial.samples[replicate]
        metrics: dict[str, float] = {}
        confusion: tuple[tuple[int, ...], ...] = ()
        predicted: PredictedClasses | None = None
        confidences: Confidences | None = None
        chosen = sample.validation if len(sample.validation) else sample.train
        if self.answers.pool is not None:
            metrics |= self._metrics("val_", self.answers.pool, data.pool.labels_N, chosen)
        if self.trial.part == "test":
            tested = self.trial.test_rows(replicate)
            metrics |= self._metrics("test_", self.answers.test, data.test.labels_N, tested)
            labels_N = self.answers.test.labels_N[tested]
            counts_CC = confusion_matrix(data.test.labels_N[tested], labels_N, len(data.class_names))
            confusion = tuple(map(tuple, counts_CC.tolist()))
            predicted = PredictedClasses.of({ONLY_RULE: labels_N})
            confidences = self._confidences(tested, chosen)
        times = {"train_seconds": 0.0, "eval_seconds": perf_counter() - began}
        yield Measurement(0, {**metrics, **times}, "", confusion, predicted, confidences)

    def _confidences(self, tested: NDArray[np.int64], chosen: NDArray[np.int64]) -> Confidences | None:
        """Of the test rows, with the temperature of these rows of the pool; None where the file has no probabilities,
        or its most probable class is not its answer."""
        answers, data = self.answers, self.trial.data
        told_NC = answers.test.probabilities_NC
        if told_NC is None or (told_NC.argmax(axis=1) != answers.test.labels_N).any():
            return None
        temperature: float | None = None
        if answers.pool is not None and answers.pool.probabilities_NC is not None:
            temperature = temperature_of(_logits(answers.pool.probabilities_NC[chosen]), data.pool.labels_N[chosen])
        return Confidences.of(_logits(told_NC[tested]), data.test.labels_N[tested], temperature=temperature)

    def release(self) -> None:
        """Nothing is to be given up, since nothing was trained."""

    def _metrics(
        self, prefix: str, predicted: Predicted, labels_N: NDArray[np.int64], wanted: NDArray[np.int64]
    ) -> dict[str, float]:
        num_classes = len(self.trial.data.class_names)
        metrics = classification_metrics(labels_N[wanted], predicted.labels_N[wanted], num_classes)
        if predicted.probabilities_NC is not None:
            metrics["loss"] = cross_entropy(_logits(predicted.probabilities_NC[wanted]), labels_N[wanted])
        return {prefix + name: value for name, value in metrics.items()}


def _logits(probabilities_NC: NDArray[np.float64]) -> NDArray[np.float64]:
    logits_NC: NDArray[np.float64] = np.log(np.maximum(probabilities_NC, _LEAST))
    return logits_NC
