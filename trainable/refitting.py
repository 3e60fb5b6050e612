"""The winner of a comparison, trained once more to be kept: a classifier in a folder.

Its probabilities are calibrated on rows that did not train it: the same method is trained on a draw as in the search,
and the temperature is fitted to that draw's validation rows.

Shapes: N rows, M training rows, C classes, D embedding size.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from trainable.calibration import Calibration, fitted_temperature
from trainable.class_texts import class_rows
from trainable.classifier import Classifier
from trainable.datasets import load
from trainable.datasets.text_data import Rows, TextData
from trainable.draws import Draw, draw_of
from trainable.embeddings import FrozenEncoder
from trainable.encoder.pooling import module_config, stated_layers
from trainable.errors import ConfigError
from trainable.evaluation.heads import fitted_logistic, fitted_svm, prior_shift
from trainable.fine_tuning import FineTuning
from trainable.losses import LOSSES
from trainable.recipes.entry import Trial
from trainable.recipes.frozen import Frozen
from trainable.recipes.label_names import LabelNames
from trainable.recipes.metric_then_head import MetricThenHead

if TYPE_CHECKING:
    from trainable.config import TrialConfig
    from trainable.encoder import Encoder
    from trainable.learner import Learner

__all__ = ["Refitted", "refit"]

DRAW = 40_000  # no draw of a search or of a confirmation
_EPOCHS = 3  # passes over the rows at least, however few steps the draw of the comparison took


@dataclass(frozen=True, slots=True, kw_only=True)
class Refitted:
    """A classifier, and what is known of it.

    rows: how many trained it.
    counts: of these, by class.
    calibration: None where the draws of the comparison leave no validation rows.
    """

    classifier: Classifier
    rows: int
    counts: tuple[int, ...]
    calibration: Calibration | None


def refit(config: TrialConfig, *, shots: int | None = None) -> Refitted:
    """Train a trial's configuration on all labelled rows of its dataset, or on a draw of `shots`.

    Rows of a test part that was held out of one file are labelled rows like others; those of a test part that the user
    gave are left alone.

    Raises TrainableError for data, an encoder or fields that cannot be used, and for methods that cannot be kept yet.
    """
    _check(config)
    data = load(config.dataset)
    calibration = _calibrated(config, data)
    chosen = _all_rows(config, data) if shots is None else (data, draw_of(_with(config, shots=shots), data, DRAW).train)
    classifier = _trained(config, *chosen)
    labels_M = chosen[0].pool.labels_N[chosen[1]]
    if calibration is not None:
        classifier = _tempered(classifier, calibration.temperature)
    counts = np.bincount(labels_M, minlength=len(data.class_names))
    return Refitted(classifier=classifier, rows=len(labels_M), counts=tuple(counts.tolist()), calibration=calibration)


def _check(config: TrialConfig) -> None:
    kept = ("fine_tune", "frozen", "metric_then_head", "label_names")
    if config.recipe.name not in kept:
        raise ConfigError(
            f"a classifier can be kept of {', '.join(kept)}; received {config.recipe.name}: choose another arm"
        )
    rule = config.inference or ("head" if config.beta > 0 else "nearest")
    proxies = config.loss is not None and LOSSES[config.loss.name].has_proxies
    if config.recipe.name == "fine_tune" and (rule in ("mixture", "neighbours") or (rule == "nearest" and proxies)):
        raise ConfigError(
            f"a classifier can be kept that reads by its head, its class centroids or a logistic regression; received "
            f"inference: {rule} of {config.method}: choose another arm, or compare it with inference: head"
        )


def _with(config: TrialConfig, **fields: Any) -> TrialConfig:
    return type(config).model_validate(config.model_dump() | fields)


def _all_rows(config: TrialConfig, data: TextData) -> tuple[TextData, NDArray[np.int64]]:
    """Return the data with all rows that may train in its pool, and their indices."""
    if not any(note.startswith("no test part: ") for note in data.notes):
        return data, np.arange(len(data.pool))
    pool, test = data.pool, data.test
    pairs = None if pool.pairs is None or test.pairs is None else (*pool.pairs, *test.pairs)
    rows = Rows((*pool.texts, *test.texts), pairs, np.concatenate([pool.labels_N, test.labels_N]))
    return replace(data, pool=rows), np.arange(len(rows))


def _calibrated(config: TrialConfig, data: TextData) -> Calibration | None:
    """Return the calibration on the validation rows of a draw as the comparison took them."""
    draw = draw_of(config, data, DRAW)
    if not len(draw.validation):
        return None
    classifier, held = _trained(config, data, draw.train), data.pool.at(draw.validation)
    scores_NC = classifier.scores(held.texts, held.pairs).double().numpy()
    return fitted_temperature(scores_NC, held.labels_N)


def _tempered(classifier: Classifier, temperature: float) -> Classifier:
    """Return the classifier with the temperature in its weights where it can be: its scores are then calibrated for
    whoever reads them, as a pipeline of transformers does."""
    if classifier.head["kind"] == "linear":
        scaled = {name: classifier.arrays[name] / temperature for name in ("weight", "bias")}
        return replace(classifier, arrays={**classifier.arrays, **scaled})
    if classifier.head["kind"] == "own":
        last = [module for module in classifier.model.modules() if isinstance(module, torch.nn.Linear)][-1]
        assert last.out_features == len(classifier.labels), "the last layer gives the scores"
        with torch.no_grad():
            for weight in last.parameters():
                weight.div_(temperature)
        return classifier
    return replace(classifier, temperature=temperature)


# ---- training --------------------------------------------------------------------------------------------------------


def _trained(config: TrialConfig, data: TextData, train_M: NDArray[np.int64]) -> Classifier:
    """Train on these rows of the pool."""
    missing = [data.class_names[label] for label in np.flatnonzero(_counts(data, train_M) == 0)]
    if missing and config.recipe.name != "label_names":
        raise ConfigError(
            f"a classifier needs a row of every class; the chosen rows of `{data.name}` have none of "
            f"{', '.join(missing[:5])}: take more shots, or all rows"
        )
    if config.recipe.name in ("fine_tune", "metric_then_head"):
        batch = min(config.batch_size, len(train_M))
        config = _with(config, steps=max(config.steps, -(-_EPOCHS * len(train_M) // batch)), evaluations=1)
    sample = Draw(np.sort(train_M), np.arange(0))
    trial = Trial(config=config, data=data, draws=(DRAW,), samples=(sample,), part="validation")
    if isinstance(config.recipe, Frozen | LabelNames):
        return _frozen(trial)
    run = FineTuning.begun(trial)
    try:
        return _fine_tuned(run, run.trained(0))
    finally:
        run.release()


def _counts(data: TextData, train_M: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.bincount(data.pool.labels_N[train_M], minlength=len(data.class_names))


def _frozen(trial: Trial) -> Classifier:
    config, recipe, data = trial.config, trial.config.recipe, trial.data
    frozen = FrozenEncoder.of(config, len(data.class_names))
    frozen.encoder.reset(0)
    made = _classifier(trial, frozen.encoder)
    if isinstance(recipe, LabelNames):
        names = class_rows(config.dataset, data, recipe.template)
        return replace(made, head={"kind": "centroids"}, arrays=made.arrays | _centroids(frozen.embed_all(names)))
    assert isinstance(recipe, Frozen), "nothing else trains no encoder"
    train_M = trial.samples[0].train
    train_MD, labels_M = frozen.embed(data.pool, train_M), data.pool.labels_N[train_M]
    if recipe.head == "centroid":
        sums_CD = np.zeros((len(data.class_names), train_MD.shape[1]))
        np.add.at(sums_CD, labels_M, _unit(train_MD))
        if recipe.name_weight:
            sums_CD += recipe.name_weight * _unit(frozen.embed_all(class_rows(config.dataset, data)))
        return replace(made, head={"kind": "centroids"}, arrays=made.arrays | _centroids(sums_CD))
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


def _fine_tuned(run: FineTuning, learner: Learner) -> Classifier:
    trial, scorer = run.trial, learner.scorer
    if scorer.rule == "head" and scorer.head is None:
        return _classifier(trial, run.encoder, own=True)
    made = _classifier(trial, run.encoder)
    if scorer.rule == "head" and scorer.head is not None:
        state = {name: weight.detach().cpu().clone() for name, weight in scorer.head.state_dict().items()}
        state["bias"] = state["bias"] + torch.as_tensor(_shift(trial), dtype=state["bias"].dtype)
        return replace(made, head={"kind": "linear", "normalise": True}, arrays=made.arrays | state)
    embeddings_MD, labels_M = scorer.embedded_rows()
    if scorer.rule == "nearest":
        sums_CD = np.zeros((scorer.num_classes, embeddings_MD.shape[1]))
        np.add.at(sums_CD, labels_M, _unit(embeddings_MD))
        return replace(made, head={"kind": "centroids"}, arrays=made.arrays | _centroids(sums_CD))
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


def _centroids(sums_CD: NDArray[Any]) -> dict[str, torch.Tensor]:
    return {"centroids": torch.from_numpy(_unit(sums_CD)).float()}


def _unit(rows_ND: NDArray[Any]) -> NDArray[np.float64]:
    rows_ND = rows_ND.astype(np.float64)
    unit_ND: NDArray[np.float64] = rows_ND / np.maximum(np.linalg.norm(rows_ND, axis=1, keepdims=True), 1e-12)
    return unit_ND
