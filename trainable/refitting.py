"""The winner of a comparison, trained once more to be kept: a classifier in a folder.

Its probabilities are calibrated by the same method trained on a part of the same rows: the temperature is fitted to the
rows that were left out.

Shapes: N rows, M training rows, C classes, D embedding size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
from trainable.evaluation.assessment import Mixture, Rule, Scores, choose_mixture, choose_neighbours, cross_fitted
from trainable.kept import Chosen, fine_tuned_classifier, tempered
from trainable.losses import LOSSES
from trainable.recipes import RECIPES
from trainable.recipes.entry import Trial
from trainable.recipes.fine_tune import FineTune
from trainable.recipes.label_names import LabelNames
from trainable.recipes.metric_then_head import MetricThenHead

if TYPE_CHECKING:
    from trainable.config import TrialConfig
    from trainable.fine_tuning import FineTuning
    from trainable.learner import Learner

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


def refit(
    config: TrialConfig, *, shots: int | None = None, told: Callable[[str], None] = lambda said: None
) -> Refitted:
    """Train a trial's configuration on all labelled rows of its dataset, or on a draw of `shots`.

    told: called with what is done now, in a few words.

    Rows of a test part that was held out of one file are labelled rows like others; those of a test part that the user
    gave are left alone.

    Raises TrainableError for data, an encoder or fields that cannot be used, and for methods that cannot be kept.
    """
    _check(config)
    data = load(config.dataset)
    compared = len(draw_of(config, data, DRAW).train)
    if shots is None:
        data, train_M = _all_rows(config, data)
    else:
        train_M = draw_of(_with(config, shots=shots, validation="all"), data, DRAW).train
    work = _Work(config=_for_rows(config, compared, len(train_M)), data=data, told=told)
    held = _held(work, train_M)
    told(f"training on all {len(train_M):,} rows")
    classifier = work.trained(train_M, _chosen(config, held))
    labels_M = data.pool.labels_N[train_M]
    calibration = _calibrated(config, held)
    if calibration is not None:
        classifier = tempered(classifier, calibration.temperature)
    counts = np.bincount(labels_M, minlength=len(data.class_names))
    return Refitted(classifier=classifier, rows=len(labels_M), counts=tuple(counts.tolist()), calibration=calibration)


def _check(config: TrialConfig) -> None:
    if RECIPES[config.recipe.name].keep is None:
        kept = [name for name, entry in RECIPES.items() if entry.keep is not None]
        raise ConfigError(
            f"a classifier can be kept of {', '.join(kept)}; received {config.recipe.name}: choose another arm"
        )
    rule = _rule(config)
    if config.loss is not None and rule in ("nearest", "mixture"):
        entry = LOSSES[config.loss.name]
        if entry.has_proxies and entry.proxies is None:
            raise ConfigError(
                f"a classifier can be kept that reads by proxies where the loss says how it scores by them; received "
                f"inference: {rule} of {config.method}: compare it with inference: head, or give the loss's entry the "
                "field `proxies`"
            )


def _rule(config: TrialConfig) -> Rule:
    return config.inference or ("head" if config.beta > 0 else "nearest")


def _is_open(config: TrialConfig) -> bool:
    """Whether the rule of inference leaves something open, which is chosen on rows that trained nothing."""
    return isinstance(config.recipe, FineTune) and _rule(config) in ("neighbours", "mixture")


def _for_rows(config: TrialConfig, compared: int, rows: int) -> TrialConfig:
    """The configuration with as many steps as these rows need."""
    config = RECIPES[config.recipe.name].bounded(config, compared, rows)
    if not isinstance(config.recipe, FineTune | MetricThenHead):
        return config
    batch = min(config.batch_size, rows)
    return _with(config, steps=max(config.steps, -(-_EPOCHS * rows // batch)), evaluations=1)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """Rows that trained nothing.

    labels_N: their classes.
    scores_NC: by the classifier that is kept of all other rows; empty where the rule leaves something open.
    by_rule: their scores by every rule, where it does.
    """

    labels_N: NDArray[np.int64]
    scores_NC: NDArray[np.float64]
    by_rule: Scores | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """A configuration that is trained on several choices of rows of the same data. told: as of `refit`."""

    config: TrialConfig
    data: TextData
    told: Callable[[str], None]

    def trained(self, train_M: NDArray[np.int64], chosen: Chosen) -> Classifier:
        """Train on these rows of the pool."""
        trial = self._trial(train_M)
        if not isinstance(self.config.recipe, FineTune | MetricThenHead):
            keep = RECIPES[self.config.recipe.name].keep
            assert keep is not None, "others are refused"
            return keep(trial)
        with _fine_tuned(trial, self.told) as (run, learner):
            return fine_tuned_classifier(run, learner, chosen)

    def held(self, train_M: NDArray[np.int64], held_M: NDArray[np.int64]) -> _Held:
        """Train on some rows of the pool and score others."""
        labels_N = self.data.pool.labels_N[held_M]
        if not _is_open(self.config):
            return _Held(labels_N=labels_N, scores_NC=self._scores(self.trained(train_M, Chosen()), held_M))
        with _fine_tuned(self._trial(train_M), self.told) as (_, learner):
            (scores,) = learner.scorer.by_all_rules((learner.scorer.pool, held_M))
        return _Held(labels_N=labels_N, scores_NC=np.empty((0, 0)), by_rule=scores)

    def _trial(self, train_M: NDArray[np.int64]) -> Trial:
        counts_C = np.bincount(self.data.pool.labels_N[train_M], minlength=len(self.data.class_names))
        missing = [self.data.class_names[label] for label in np.flatnonzero(counts_C == 0)]
        if missing and not isinstance(self.config.recipe, LabelNames):
            raise ConfigError(
                f"a classifier needs a row of every class; the chosen rows of `{self.data.name}` have none of "
                f"{', '.join(missing[:5])}: take more shots, or all rows"
            )
        sample = Draw(np.sort(train_M), np.arange(0))
        return Trial(config=self.config, data=self.data, draws=(DRAW,), samples=(sample,), part="validation")

    def _scores(self, classifier: Classifier, rows_N: NDArray[np.int64]) -> NDArray[np.float64]:
        held = self.data.pool.at(rows_N)
        scores_NC: NDArray[np.float64] = classifier.scores(held.texts, held.pairs).double().numpy()
        return scores_NC


@contextmanager
def _fine_tuned(trial: Trial, told: Callable[[str], None]) -> Iterator[tuple[FineTuning, Learner]]:
    from trainable.fine_tuning import FineTuning

    run = FineTuning.begun(trial)
    try:
        yield run, run.trained(0, told)
    finally:
        run.release()


def _held(work: _Work, train_M: NDArray[np.int64]) -> list[_Held]:
    """Score rows that trained nothing: the rows are cut into folds, and each of some folds is scored by a classifier
    that was trained on all others, almost as many rows as the one that is kept.

    Empty where no class has two rows.
    """
    if isinstance(work.config.recipe, LabelNames):  # which no row trains
        return [work.held(train_M, train_M)]
    folds, used = _FOLDS if RECIPES[work.config.recipe.name].embeds_once else _DEAR_FOLDS[len(train_M) >= _MANY]
    places_M = _fold_of(work.data.pool.labels_N[train_M], folds)
    chosen = [fold for fold in range(used) if (places_M == fold).any()]
    found = []
    for number, fold in enumerate(chosen, start=1):
        seen_M, held_M = train_M[places_M != fold], train_M[places_M == fold]
        work.told(
            f"calibration {number} of {len(chosen)}: training on {len(seen_M):,} rows, to score {len(held_M):,} others"
        )
        found.append(work.held(seen_M, held_M))
    return found


def _chosen(config: TrialConfig, held: Sequence[_Held]) -> Chosen:
    """Choose what the rule of inference leaves open on rows that trained nothing; without such rows, one neighbour and
    the mixture of arXiv:2211.15202."""
    found = _joined(held)
    if found is None:
        return Chosen(mixture=Mixture(config.beta, 1.0))
    classes = found.nearest_NC.shape[1]
    return Chosen(
        neighbours=choose_neighbours(found.cosines_NK, found.neighbours_NK, found.labels_N, classes),
        mixture=choose_mixture(found.head_NC, found.nearest_NC, found.labels_N),
    )


def _joined(held: Sequence[_Held]) -> Scores | None:
    parts = [each.by_rule for each in held if each.by_rule is not None]
    if not parts:
        return None
    width = min(part.cosines_NK.shape[1] for part in parts)
    return Scores(
        labels_N=np.concatenate([part.labels_N for part in parts]),
        head_NC=np.concatenate([part.head_NC for part in parts]),
        nearest_NC=np.concatenate([part.nearest_NC for part in parts]),
        cosines_NK=np.concatenate([part.cosines_NK[:, :width] for part in parts]),
        neighbours_NK=np.concatenate([part.neighbours_NK[:, :width] for part in parts]),
    )


def _calibrated(config: TrialConfig, held: Sequence[_Held]) -> Calibration | None:
    """Return the calibration on rows that trained nothing; None where there are none. What the rule leaves open is
    chosen on other rows than those that it scores here."""
    if not held:
        return None
    found = _joined(held)
    if found is None:
        scores_NC = np.concatenate([each.scores_NC for each in held])
        return fitted_temperature(scores_NC, np.concatenate([each.labels_N for each in held]))
    rule = _rule(config)
    scores_NC = np.asarray(cross_fitted(rule, found, beta=config.beta), dtype=np.float64)
    if rule == "mixture":  # of whose probabilities the kept classifier gives the logarithms
        scores_NC = np.log(np.maximum(scores_NC, np.finfo(np.float32).tiny))
    return fitted_temperature(scores_NC, found.labels_N)


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
