"""The winner of a comparison, trained once more to be kept: a classifier in a folder.

Its probabilities are calibrated by the same method trained on a part of the same rows: the temperature is fitted to the
rows that were left out. They tell what is expected of it too, unless there are test rows that it has not trained on.

Shapes: N rows, M training rows, C classes, D embedding size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainable.calibration import Calibration
from trainable.classifier import Classifier
from trainable.datasets import load
from trainable.datasets.text_data import Rows, TextData
from trainable.draws import Draw, draw_of, few_shot_draw
from trainable.errors import ConfigError
from trainable.evaluation.scoring import rule_of
from trainable.kept import Chosen, fine_tuned, tempered, trained_learner
from trainable.left_out import Answers, LeftOut, answered, calibrated, chosen, fold_of
from trainable.losses import LOSSES
from trainable.recipes import RECIPES
from trainable.recipes.entry import Trial
from trainable.recipes.fine_tune import FineTune
from trainable.recipes.label_names import LabelNames
from trainable.recipes.metric_then_head import MetricThenHead
from trainable.shots import Shots

if TYPE_CHECKING:
    from trainable.config import TrialConfig

__all__ = ["Refitted", "check_kept", "refit"]

DRAW = 40_000  # no draw of a search or of a confirmation
_FOLDS = (5, 5)
_DEAR_FOLDS = {True: (5, 1), False: (3, 3)}
"""Into how many folds the rows are cut for the calibration, and how many of them are scored, each by a training of its
own: where an encoder is trained, fewer, and one alone where there are many rows."""
_MANY = 200
_MOST_TESTED = 2_000  # test rows that the kept classifier is scored on; so many leave an accuracy open by 2 points
_EPOCHS = 3  # passes over the rows at least, however few steps the draw of the comparison took


@dataclass(frozen=True, slots=True, kw_only=True)
class Refitted:
    """A classifier, and what is known of it.

    rows: how many trained it.
    counts: of these, by class.
    calibration: None where no class has two rows.
    answers: to rows that trained nothing, which tell what is expected of it; None where there are none.
    """

    classifier: Classifier
    rows: int
    counts: tuple[int, ...]
    calibration: Calibration | None
    answers: Answers | None


def refit(config: TrialConfig, *, shots: Shots = "all", told: Callable[[str], None] = lambda said: None) -> Refitted:
    """Train a trial's configuration on all labelled rows of its dataset, or on a draw of `shots`.

    told: called with what is done now, in a few words.

    Rows of a test part that was held out of one file are labelled rows like others. Those of a test part that the user
    gave train and calibrate nothing: the finished classifier is scored on them.

    Raises TrainableError for data, an encoder or fields that cannot be used, and for methods that cannot be kept.
    """
    check_kept(config)
    data = load(config.dataset)
    compared = len(draw_of(config, data, DRAW).train)
    if shots == "all":
        data, train_M = _all_rows(config, data)
    else:
        sampling, seed = config.sampling, config.seed
        train_M = few_shot_draw(data, sampling=sampling, shots=shots, validation="none", index=DRAW, seed=seed).train
    work = _Work(config=_for_rows(config, compared, len(train_M)), data=data, told=told)
    counts_C = np.bincount(data.pool.labels_N[train_M], minlength=len(data.class_names))
    left_out = _left_out(work, train_M)
    told(f"training on all {len(train_M):,} rows")
    classifier = work.trained(train_M, chosen(config, left_out, counts_C))
    calibration = calibrated(config, left_out, counts_C)
    if calibration is not None:
        classifier = tempered(classifier, calibration.temperature)
    return Refitted(
        classifier=classifier,
        rows=len(train_M),
        counts=tuple(counts_C.tolist()),
        calibration=calibration,
        answers=_of_test(work, classifier, train_M) or answered(config, left_out, counts_C),
    )


def check_kept(config: TrialConfig) -> None:
    """Raise ConfigError for a method of which no classifier can be kept."""
    if RECIPES[config.recipe.name].keep is None:
        kept = [name for name, entry in RECIPES.items() if entry.keep is not None]
        raise ConfigError(
            f"a classifier can be kept of {', '.join(kept)}; received {config.recipe.name}: choose another arm"
        )
    rule = rule_of(config)
    if config.loss is not None and rule in ("nearest", "mixture"):
        entry = LOSSES[config.loss.name]
        if entry.has_proxies and entry.proxies is None:
            raise ConfigError(
                f"a classifier can be kept that reads by proxies where the loss says how it scores by them; received "
                f"inference: {rule} of {config.method}: compare it with inference: head, or give the loss's entry the "
                "field `proxies`"
            )


def _is_open(config: TrialConfig) -> bool:
    """Whether the rule of inference leaves something open, which is chosen on rows that trained nothing."""
    return isinstance(config.recipe, FineTune) and rule_of(config) in ("neighbours", "mixture")


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
        return fine_tuned(trial, chosen, self.told)

    def held(self, train_M: NDArray[np.int64], held_M: NDArray[np.int64]) -> LeftOut:
        """Train on some rows of the pool and score others."""
        labels_N = self.data.pool.labels_N[held_M]
        if not _is_open(self.config):
            return LeftOut(labels_N=labels_N, scores_NC=self._scores(self.trained(train_M, Chosen()), held_M))
        with trained_learner(self._trial(train_M), self.told) as (_, learner):
            (scores,) = learner.scorer.by_all_rules((learner.scorer.pool, held_M))
        return LeftOut(labels_N=labels_N, scores_NC=np.empty((0, 0)), by_rule=scores)

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


def _of_test(work: _Work, classifier: Classifier, train_M: NDArray[np.int64]) -> Answers | None:
    """Return what the kept classifier answers to test rows whose texts it has not trained on; None without such rows,
    and where they are what a draw leaves of the same rows, if those are fewer than it took."""
    pool, test = work.data.pool, work.data.test
    seen = {_key(pool, row) for row in train_M.tolist()}
    unseen_N = np.array([row for row in range(len(test)) if _key(test, row) not in seen], dtype=np.int64)
    if not len(unseen_N) or (work.data.folds and len(unseen_N) < len(train_M)):
        return None
    rows_N = unseen_N[np.linspace(0, len(unseen_N) - 1, min(len(unseen_N), _MOST_TESTED)).astype(np.int64)]
    work.told(f"scoring it on {len(rows_N):,} rows that trained nothing")
    asked = test.at(rows_N)
    predicted_N = classifier.scores(asked.texts, asked.pairs).argmax(dim=1).numpy()
    training_N = np.zeros_like(rows_N)
    return Answers(
        labels_N=asked.labels_N, predicted_N=predicted_N, training_N=training_N, trained=len(train_M), kept=True
    )


def _key(rows: Rows, row: int) -> tuple[str, str | None]:
    return rows.texts[row], None if rows.pairs is None else rows.pairs[row]


def _left_out(work: _Work, train_M: NDArray[np.int64]) -> list[LeftOut]:
    """Score rows that trained nothing: the rows are cut into folds, and each of some folds is scored by a classifier
    that was trained on all others, almost as many rows as the one that is kept.

    Empty where no class has two rows.
    """
    if isinstance(work.config.recipe, LabelNames):  # which no row trains
        return [work.held(train_M, train_M)]
    folds, used = _FOLDS if RECIPES[work.config.recipe.name].embeds_once else _DEAR_FOLDS[len(train_M) >= _MANY]
    places_M = fold_of(work.data.pool.labels_N[train_M], folds, DRAW)
    chosen = [fold for fold in range(used) if (places_M == fold).any()]
    found = []
    for number, fold in enumerate(chosen, start=1):
        seen_M, held_M = train_M[places_M != fold], train_M[places_M == fold]
        work.told(
            f"calibration {number} of {len(chosen)}: training on {len(seen_M):,} rows, to score {len(held_M):,} others"
        )
        found.append(work.held(seen_M, held_M))
    return found
