"""Classes known by their names alone: the recipe `label_names` at work.

Shapes: N rows to score, C classes, D embedding size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from trainable.class_texts import class_rows
from trainable.embeddings import FrozenEncoder
from trainable.evaluation.heads import centroid_head
from trainable.evaluation.parts import assess_parts
from trainable.recipes.entry import Measurement
from trainable.recipes.label_names import LabelNames

if TYPE_CHECKING:
    from trainable.recipes.entry import Trial

__all__ = ["ZeroShot"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroShot:
    """The recipe at work on a trial.

    trial: what all of its replicates share; their training rows are not read.
    frozen: its encoder.
    """

    trial: Trial
    frozen: FrozenEncoder

    @classmethod
    def begun(cls, trial: Trial) -> ZeroShot:
        """Load the encoder. Raises TrainableError if it cannot be used."""
        return cls(trial=trial, frozen=FrozenEncoder.of(trial.config, len(trial.data.class_names)))

    def measurements(self, replicate: int) -> Iterator[Measurement]:
        """Score by the cosine to the embedding of each class's name, and yield the one measurement of it."""
        recipe = self.trial.config.recipe
        assert isinstance(recipe, LabelNames), "the recipe begins its own trials"
        began = perf_counter()
        names = class_rows(self.trial.config.dataset, self.trial.data, recipe.template)
        nearest = centroid_head(self.frozen.embed_all(names), names.labels_N, len(names))
        embedded = perf_counter()
        scored = assess_parts(self.trial, replicate, lambda rows, wanted: nearest(self.frozen.embed(rows, wanted)))
        times = {"train_seconds": embedded - began, "eval_seconds": perf_counter() - embedded}
        yield Measurement(0, {**scored.metrics, **times}, self.frozen.runs_on, scored.confusion)

    def release(self) -> None:
        """Nothing is to be given up, since nothing was trained."""
