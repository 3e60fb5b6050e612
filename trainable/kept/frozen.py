"""What is kept of a trial that trains no encoder.

Shapes: M training rows, C classes, D embedding size.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from trainable.class_texts import class_rows
from trainable.classifier import Classifier
from trainable.embeddings import FrozenEncoder
from trainable.evaluation.heads import class_centroids, fitted_logistic, fitted_svm
from trainable.kept.encoder import kept_encoder
from trainable.kept.heads import by_centroids, by_neighbours, linear_arrays, shift
from trainable.recipes.frozen import Frozen
from trainable.recipes.label_names import LabelNames

if TYPE_CHECKING:
    from trainable.recipes.entry import Trial

__all__ = ["frozen_classifier"]


def frozen_classifier(trial: Trial) -> Classifier:
    """Fit the head of a trial that trains no encoder to the rows of its first sample."""
    config, recipe, data = trial.config, trial.config.recipe, trial.data
    frozen = FrozenEncoder.of(config, len(data.class_names))
    frozen.encoder.reset(0)
    made = kept_encoder(trial, frozen.encoder)
    if isinstance(recipe, LabelNames):
        names = class_rows(config.dataset, data, recipe.template)
        return by_centroids(made, class_centroids(frozen.embed_all(names), names.labels_N, len(names)))
    assert isinstance(recipe, Frozen), "nothing else trains no encoder"
    train_M = trial.samples[0].train
    train_MD, labels_M = frozen.embed(data.pool, train_M), data.pool.labels_N[train_M]
    if recipe.head == "centroid":
        names_CD = frozen.embed_all(class_rows(config.dataset, data)) if recipe.name_weight else None
        classes = len(data.class_names)
        return by_centroids(made, class_centroids(train_MD, labels_M, classes, names_CD, weight=recipe.name_weight))
    if recipe.head == "neighbours":
        return by_neighbours(made, train_MD, labels_M, recipe.neighbours)
    balanced = config.class_weights == "balanced"
    fit = fitted_logistic if recipe.head == "logistic_regression" else fitted_svm
    model = fit(train_MD, labels_M, C=recipe.C, normalise=recipe.normalise, balanced=balanced)
    shift_C = shift(trial, "draw") if recipe.head == "logistic_regression" else 0.0
    kind = "pairs" if recipe.head == "linear_svm" and len(data.class_names) > 2 else "linear"
    head = {"kind": kind, "normalise": recipe.normalise}
    return replace(made, head=head, arrays=made.arrays | linear_arrays(model, shift_C, pairs=kind == "pairs"))
