"""The winner of a comparison, trained once more to be kept: a classifier in a folder.

Its probabilities are calibrated by the same method trained on a part of the same rows: the temperature is fitted to the
rows that were left out.

Shapes: N rows, M training rows, C classes, D embedding size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainable.calibration import Calibration, fitted_temperature
from trainable.classifier import Classifier
from trainable.datasets import load
from trainable.datasets.text_data import Rows, TextData
from trainable.draws import Draw, draw_of
from trainable.errors import ConfigError
from trainable.fine_tuning import FineTuning
from trainable.kept import fine_tuned_classifier, frozen_classifier, tempered
from trainable.losses import LOSSES
from trainable.recipes import RECIPES
from trainable.recipes.entry import Trial
from trainable.recipes.frozen import Frozen
from trainable.recipes.label_names import LabelNames

if TYPE_CHECKING:
    from trainable.config import TrialConfig

__all__ = ["Refitted", "refit"]

DRAW = 40_000  # no draw of a search or of a confirmation
_FOLDS = (5, 5)
_DEAR_FOLDS = {True: (5, 1), False: (3, 3)}
"""Into how many folds the rows are cut for the calibration, and how many of them are scored, each by a training of its
own: where an encoder is trained, fewer, and one alone where there are many rows."""
_MANY = 200
_EPOCHS = 3  # passes over the rows at least, however few steps the draw of the comparison took


@dataclass(frozen=True, slots=True, kw_only=True)
class Refitted:
    """A classifier, and what is known of it.

    rows: how many trained it.
    counts: of these, by class.
    calibration: None where no class has two rows.
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
    chosen = (
        _all_rows(config, data)
        if shots is None
        else (data, draw_of(_with(config, shots=shots, validation="all"), data, DRAW).train)
    )
    calibration = _calibrated(config, *chosen)
    classifier = _trained(config, *chosen)
    labels_M = chosen[0].pool.labels_N[chosen[1]]
    if calibration is not None:
        classifier = tempered(classifier, calibration.temperature)
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
    if data.folds or not any(note.startswith("no test part: ") for note in data.notes):
        return data, np.arange(len(data.pool))
    pool, test = data.pool, data.test
    pairs = None if pool.pairs is None or test.pairs is None else (*pool.pairs, *test.pairs)
    rows = Rows((*pool.texts, *test.texts), pairs, np.concatenate([pool.labels_N, test.labels_N]))
    return replace(data, pool=rows), np.arange(len(rows))


def _calibrated(config: TrialConfig, data: TextData, train_M: NDArray[np.int64]) -> Calibration | None:
    """Return the calibration on rows that trained nothing: the rows are cut into folds, and each of some folds is
    scored by a classifier that was trained on all others, almost as many rows as the one that is kept.

    None where no class has two rows.
    """
    if config.recipe.name == "label_names":  # which no row trains
        scores_NC = _scores(_trained(config, data, train_M), data, train_M)
        return fitted_temperature(scores_NC, data.pool.labels_N[train_M])
    folds, used = _FOLDS if RECIPES[config.recipe.name].embeds_once else _DEAR_FOLDS[len(train_M) >= _MANY]
    places_M = _fold_of(data.pool.labels_N[train_M], folds)
    scored: list[tuple[NDArray[np.float64], NDArray[np.int64]]] = []
    for fold in range(used):
        held_M = train_M[places_M == fold]
        if len(held_M):
            classifier = _trained(config, data, train_M[places_M != fold])
            scored.append((_scores(classifier, data, held_M), data.pool.labels_N[held_M]))
    if not scored:
        return None
    scores, labels = zip(*scored, strict=True)
    return fitted_temperature(np.concatenate(scores), np.concatenate(labels))


def _fold_of(labels_M: NDArray[np.int64], folds: int) -> NDArray[np.int64]:
    """Return the fold of each row, with equally many rows of a class in each; -1 for the only row of a class, which
    always trains."""
    places_M = np.full(len(labels_M), -1)
    order_M = np.random.default_rng(DRAW).permutation(len(labels_M))
    for label in np.unique(labels_M):
        own = order_M[labels_M[order_M] == label]
        if len(own) > 1:
            places_M[own] = np.arange(len(own)) % folds
    return places_M


def _scores(classifier: Classifier, data: TextData, rows_N: NDArray[np.int64]) -> NDArray[np.float64]:
    held = data.pool.at(rows_N)
    scores_NC: NDArray[np.float64] = classifier.scores(held.texts, held.pairs).double().numpy()
    return scores_NC


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
        return frozen_classifier(trial)
    run = FineTuning.begun(trial)
    try:
        return fine_tuned_classifier(run, run.trained(0))
    finally:
        run.release()


def _counts(data: TextData, train_M: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.bincount(data.pool.labels_N[train_M], minlength=len(data.class_names))
