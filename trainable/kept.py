"""What is kept of a trained trial: a copy of its encoder and the arrays of its head.

Shapes: M training rows, C classes, D embedding size.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from trainable.class_texts import class_rows
from trainable.classifier import Classifier
from trainable.embeddings import FrozenEncoder
from trainable.encoder.pooling import module_config, stated_layers
from trainable.evaluation.heads import class_centroids, fitted_logistic, fitted_svm, prior_shift
from trainable.recipes.frozen import Frozen
from trainable.recipes.label_names import LabelNames
from trainable.recipes.metric_then_head import MetricThenHead

if TYPE_CHECKING:
    from trainable.config import TrialConfig
    from trainable.encoder import Encoder
    from trainable.fine_tuning import FineTuning
    from trainable.learner import Learner
    from trainable.recipes.entry import Trial

__all__ = ["fine_tuned_classifier", "frozen_classifier", "tempered"]


def frozen_classifier(trial: Trial) -> Classifier:
    """Fit the head of a trial that trains no encoder to the rows of its first sample."""
    config, recipe, data = trial.config, trial.config.recipe, trial.data
    frozen = FrozenEncoder.of(config, len(data.class_names))
    frozen.encoder.reset(0)
    made = _classifier(trial, frozen.encoder)
    if isinstance(recipe, LabelNames):
        names = class_rows(config.dataset, data, recipe.template)
        return _by_centroids(made, class_centroids(frozen.embed_all(names), names.labels_N, len(names)))
    assert isinstance(recipe, Frozen), "nothing else trains no encoder"
    train_M = trial.samples[0].train
    train_MD, labels_M = frozen.embed(data.pool, train_M), data.pool.labels_N[train_M]
    if recipe.head == "centroid":
        names_CD = frozen.embed_all(class_rows(config.dataset, data)) if recipe.name_weight else None
        classes = len(data.class_names)
        return _by_centroids(made, class_centroids(train_MD, labels_M, classes, names_CD, weight=recipe.name_weight))
    if recipe.head == "neighbours":
        arrays = {"rows": torch.from_numpy(train_MD), "labels": torch.from_numpy(labels_M)}
        return replace(made, head={"kind": "neighbours", "count": recipe.neighbours}, arrays=made.arrays | arrays)
    balanced = config.class_weights == "balanced"
    fit = fitted_logistic if recipe.head == "logistic_regression" else fitted_svm
    model = fit(train_MD, labels_M, C=recipe.C, normalise=recipe.normalise, balanced=balanced)
    shift_C = _shift(trial) if recipe.head == "logistic_regression" else 0.0
    kind = "pairs" if recipe.head == "linear_svm" and len(data.class_names) > 2 else "linear"
    head = {"kind": kind, "normalise": recipe.normalise}
    return replace(made, head=head, arrays=made.arrays | _linear(model, shift_C, pairs=kind == "pairs"))


def fine_tuned_classifier(run: FineTuning, learner: Learner) -> Classifier:
    """The classifier that a learner at its last step is, by the rule that the trial is scored by."""
    trial, scorer = run.trial, learner.scorer
    if scorer.rule == "head" and scorer.head is None:
        return _shifted(_classifier(trial, run.encoder, own=True), _shift(trial))
    made = _classifier(trial, run.encoder)
    if scorer.rule == "head" and scorer.head is not None:
        state = {name: weight.detach().cpu().clone() for name, weight in scorer.head.state_dict().items()}
        state["bias"] = state["bias"] + torch.as_tensor(_shift(trial), dtype=state["bias"].dtype)
        return replace(made, head={"kind": "linear", "normalise": True}, arrays=made.arrays | state)
    embeddings_MD, labels_M = scorer.embedded_rows()
    if scorer.rule == "nearest":
        return _by_centroids(made, class_centroids(embeddings_MD, labels_M, scorer.num_classes))
    assert isinstance(trial.config.recipe, MetricThenHead) or scorer.rule == "logistic", "others are refused"
    model = fitted_logistic(embeddings_MD, labels_M, C=scorer.penalty, normalise=True, balanced=scorer.balanced)
    return replace(
        made,
        head={"kind": "linear", "normalise": True},
        arrays=made.arrays | _linear(model, _shift(trial), pairs=False),
    )


def _classifier(trial: Trial, encoder: Encoder, *, own: bool = False) -> Classifier:
    """Return a classifier with a copy of the encoder as it is, and no head yet but the encoder's own."""
    config = trial.config
    embedding = encoder.embedding_for(config.embedding, published=config.published)
    source = encoder.model if own else encoder.model.base_model
    layers, arrays = ((), {}) if own else _layers(config, encoder)
    return Classifier(
        labels=trial.data.class_names,
        model=copy.deepcopy(source).cpu().float().eval().requires_grad_(False),
        tokenizer=copy.deepcopy(encoder.tokenizer),
        head={"kind": "own"},
        arrays=arrays,
        pooling="mean" if embedding == "tokens" else embedding,
        layers=layers,
        prompt=encoder.prompt(config.prompt),
        max_length=config.max_length,
        paired=trial.data.pool.pairs is not None,
    )


def _layers(config: TrialConfig, encoder: Encoder) -> tuple[list[dict[str, Any]], dict[str, torch.Tensor]]:
    """Return the fields and the weights of what follows the pooling."""
    modules = encoder.modules_for(config.embedding)
    if modules is None:
        return [], {}
    layers: list[dict[str, Any]] = []
    arrays: dict[str, torch.Tensor] = {}
    state = modules.state_dict()
    for place, (kind, folder) in enumerate(stated_layers(encoder.name, encoder.revision)):
        if kind == "Normalize":
            layers.append({"kind": kind})
            continue
        stated = module_config(folder)
        activation = str(stated.get("activation_function", "Tanh")).rsplit(".", 1)[-1]
        layers.append({"kind": kind, "activation": activation, "added": bool(stated.get("use_residual", False))})
        names = {"weight": "linear.weight", "bias": "linear.bias", "residual": "residual.weight"}
        found = {part: state.get(f"chain.{place}.{name}") for part, name in names.items()}
        arrays |= {f"layers.{place}.{part}": each.cpu().clone() for part, each in found.items() if each is not None}
    return layers, arrays


def _shift(trial: Trial) -> NDArray[np.float64] | float:
    if trial.config.priors == "draw":
        return 0.0
    labels_N = trial.data.pool.labels_N
    return prior_shift(labels_N[trial.samples[0].train], labels_N, len(trial.data.class_names))


def _linear(model: Any, shift_C: NDArray[np.float64] | float, *, pairs: bool) -> dict[str, torch.Tensor]:
    """Return the arrays of a linear model of scikit-learn; one of two classes has weights for the second alone."""
    weight, bias = np.array(model.coef_, dtype=np.float64), np.array(model.intercept_, dtype=np.float64)
    if len(weight) == 1 and not pairs:
        half = 1.0 if hasattr(model, "support_") else 0.5  # margins of an SVM, log-odds of a logistic regression
        weight, bias = half * np.concatenate([-weight, weight]), half * np.concatenate([-bias, bias])
    arrays = {"weight": torch.from_numpy(weight).float(), "bias": torch.from_numpy(bias + shift_C).float()}
    if pairs:
        classes = len(model.classes_)
        places = [(first, second) for first in range(classes) for second in range(first + 1, classes)]
        arrays["pairs"] = torch.tensor(places)
    return arrays


def _by_centroids(made: Classifier, centroids_CD: NDArray[np.float64]) -> Classifier:
    arrays = made.arrays | {"centroids": torch.from_numpy(centroids_CD).float()}
    return replace(made, head={"kind": "centroids"}, arrays=arrays)


def tempered(classifier: Classifier, temperature: float) -> Classifier:
    """Return the classifier with the temperature in its weights where it can be: its scores are then calibrated for
    whoever reads them, as a pipeline of transformers does."""
    if classifier.head["kind"] == "linear":
        scaled = {name: classifier.arrays[name] / temperature for name in ("weight", "bias")}
        return replace(classifier, arrays={**classifier.arrays, **scaled})
    if classifier.head["kind"] == "own":
        with torch.no_grad():
            for weight in _last_layer(classifier).parameters():
                weight.div_(temperature)
        return classifier
    return replace(classifier, temperature=temperature)


def _shifted(classifier: Classifier, shift_C: NDArray[np.float64] | float) -> Classifier:
    """Return the classifier with a shift in the bias of its own head, which has one where it is drawn anew."""
    if isinstance(shift_C, float):
        return classifier
    last = _last_layer(classifier)
    if last.bias is None:
        last.bias = torch.nn.Parameter(torch.zeros(last.out_features), requires_grad=False)
    with torch.no_grad():
        last.bias.add_(torch.from_numpy(shift_C).to(last.bias))
    return classifier


def _last_layer(classifier: Classifier) -> torch.nn.Linear:
    last = [module for module in classifier.model.modules() if isinstance(module, torch.nn.Linear)][-1]
    assert last.out_features == len(classifier.labels), "the last layer gives the scores"
    return last
