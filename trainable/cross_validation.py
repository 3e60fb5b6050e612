"""Cross-validation inside a draw: its rows take turns to train and to validate, so that none is set aside to select.

A draw is cut into stratified folds, and each is scored by a classifier that was trained on the others. What is scored
are the predictions of all folds together, once each row that takes turns has had one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainable.calibration import fitted_temperature
from trainable.draws import Draw, draw_of, fold_generator
from trainable.evaluation.metrics import classification_metrics
from trainable.folds import stratified_folds
from trainable.recipes import RECIPES
from trainable.recipes.entry import Measurement, Trial
from trainable.shots import CROSS_FOLDS, selected_by

if TYPE_CHECKING:
    from trainable.config import TrialConfig
    from trainable.datasets.text_data import TextData
    from trainable.recipes.entry import RecipeRun

__all__ = ["CrossValidation", "is_cross_validated", "trainings", "turns"]


def is_cross_validated(config: TrialConfig, data: TextData) -> bool:
    """Return whether the draws of a trial have no validation rows of their own. Given predictions train nothing, and
    score the rows as they are."""
    by = selected_by(
        config.validation, config.shots, config.sampling, pool=len(data.pool), classes=len(data.class_names)
    )
    return by == "cross" and RECIPES[config.recipe.name].searchable


def trainings(config: TrialConfig, data: TextData) -> int:
    """Return how many trainings a replicate of a search is: one, or one for each turn of its draw."""
    if not is_cross_validated(config, data):
        return 1
    return len(turns(data, draw_of(config, data, 0), 0, config.seed))


def turns(data: TextData, draw: Draw, index: int, seed: int) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64]], ...]:
    """Return, for each turn, the rows of the pool that train and those that are scored. The only row of a class always
    trains, and small draws have fewer turns."""
    labels_M = data.pool.labels_N[draw.train]
    folds = min(CROSS_FOLDS, int(np.bincount(labels_M).max()))
    places_M = stratified_folds(labels_M, folds, fold_generator(data.name, index, seed))
    return tuple((draw.train[places_M != fold], draw.train[places_M == fold]) for fold in range(folds))


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossValidation:
    """A recipe at work on a trial whose draws have no validation rows.

    trial: the trial.
    run: its recipe at work on one draw for each turn.
    inner: the turns of all replicates as replicates of their own, whose test part is the pool.
    first: of each replicate, which of these is its first turn; and their number.
    """

    trial: Trial
    run: RecipeRun
    inner: Trial
    first: tuple[int, ...]

    @classmethod
    def begun(cls, trial: Trial) -> CrossValidation:
        """Begin the recipe. Raises TrainableError as it does."""
        config, data = trial.config, trial.data
        cut = [
            turns(data, sample, index, config.seed) for sample, index in zip(trial.samples, trial.draws, strict=True)
        ]
        inner = replace(
            trial,
            data=replace(data, test=data.pool),
            draws=tuple(index for index, own in zip(trial.draws, cut, strict=True) for _ in own),
            samples=tuple(Draw(train, np.arange(0), held) for own in cut for train, held in own),
            part="test",
        )
        first = tuple(int(count) for count in np.cumsum([0, *map(len, cut)]))
        run = RECIPES[config.recipe.name].begin(inner)
        return cls(trial=trial, run=run, inner=inner, first=first)

    def measurements(self, replicate: int) -> Iterator[Measurement]:
        """Train the turns of a replicate, and yield what the rows scored until then at each of `trial.evaluations`, of
        which the last comes after the last turn."""
        whole = range(self.first[replicate], self.first[replicate + 1])
        pooled, done = _Pooled(self.trial.data), 0
        for point in range(1, self.trial.evaluations + 1):
            enough = -(-len(whole) * point // self.trial.evaluations)
            measured = [next(self.run.measurements(turn)) for turn in whole[done:enough]]
            for turn, found in zip(whole[done:enough], measured, strict=True):
                pooled.add(self.inner.test_rows(turn), found)
            done = enough
            yield pooled.measurement(measured)

    def release(self) -> None:
        """Give up what the recipe holds."""
        self.run.release()


@dataclass(slots=True)
class _Pooled:
    """What the turns of a replicate predicted until now."""

    data: TextData
    labels: list[int] = field(default_factory=list)
    predicted: list[int] = field(default_factory=list)
    losses: list[tuple[float, int]] = field(default_factory=list)
    scores: list[NDArray[np.floating]] = field(default_factory=list)
    found: list[Measurement] = field(default_factory=list)

    def add(self, rows: NDArray[np.int64], found: Measurement) -> None:
        assert found.predicted is not None, "a turn scores its rows as a test part"
        self.labels += self.data.pool.labels_N[rows].tolist()
        self.predicted += found.predicted.judged.tolist()
        self.losses.append((found.metrics["test_loss"], len(rows)))
        self.scores += [] if found.scores_NC is None else [found.scores_NC]
        self.found.append(found)

    def measurement(self, new: Sequence[Measurement]) -> Measurement:
        """The metrics of all turns until now, with the time of the new ones."""
        labels_N, predicted_N = np.array(self.labels), np.array(self.predicted)
        scores = classification_metrics(labels_N, predicted_N, len(self.data.class_names))
        scores["loss"] = sum(loss * rows for loss, rows in self.losses) / len(self.labels)
        if len(self.scores) == len(self.found):  # a recipe need not tell them
            scores["temperature"] = fitted_temperature(np.concatenate(self.scores).astype(float), labels_N).temperature
        metrics = {f"val_{name}": value for name, value in scores.items()} | _training(self.found, new)
        last = self.found[-1]
        return Measurement(last.step, metrics, last.trained_on)


def _training(found: Sequence[Measurement], new: Sequence[Measurement]) -> dict[str, float]:
    """Means over the turns of what training reports; tokens and restarts of all of them, and the new ones' seconds."""
    names = [
        name
        for name in found[-1].metrics
        if not name.startswith(("test_", "val_", "neighbours_", "mixture_", "geometry_"))
    ]
    values = {name: [each.metrics[name] for each in found if name in each.metrics] for name in names}
    means = {name: float(np.mean(each)) for name, each in values.items()}
    means |= {name: float(sum(values[name])) for name in ("tokens", "restarts") if name in values}
    seconds = ("train_seconds", "eval_seconds")
    return means | {name: float(sum(each.metrics[name] for each in new)) for name in seconds if name in values}
