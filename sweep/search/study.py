"""Studies of Optuna: one in memory, and one that keeps the scores of its trials in order."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Iterable, Mapping, Sequence

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

__all__ = ["ScoredStudy", "scores_at", "study_of"]


class ScoredStudy(optuna.Study):
    """A study that answers which scores its trials have at a step without a look at all of its trials, whose number
    would make every pruning decision dearer than the one before. Whoever writes to it notes each trial that changed.
    """

    def __init__(self, study_name: str, storage: BaseStorage) -> None:
        super().__init__(study_name, storage)
        self._scores: dict[int, list[float]] = {}
        self._noted: dict[int, Mapping[int, float]] = {}

    def note(self, trial: FrozenTrial) -> None:
        """Take in the scores of a trial that are new. A score that is on record never changes."""
        values = trial.intermediate_values
        for step in values.keys() - self._noted.get(trial.number, {}).keys():
            if math.isfinite(values[step]):
                insort(self._scores.setdefault(step, []), values[step])
        self._noted[trial.number] = values

    def scores_at(self, step: int) -> Sequence[float]:
        """The finite scores at a step, in ascending order."""
        return self._scores.get(step, ())


def scores_at(study: optuna.Study, step: int) -> Sequence[float]:
    """The finite scores that the trials of any study have at a step."""
    if isinstance(study, ScoredStudy):
        return study.scores_at(step)
    scores = (trial.intermediate_values.get(step) for trial in study.get_trials(deepcopy=False))
    return [score for score in scores if score is not None and math.isfinite(score)]


def study_of(trials: Iterable[FrozenTrial], sampler: optuna.samplers.BaseSampler | None = None) -> optuna.Study:
    """A study in memory of trials that are on record. Added in Optuna's way, each of them would be copied in depth,
    which takes ten times as long as a proposal itself where there are a thousand of them."""
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(direction="maximize", storage=storage, sampler=sampler)
    storage._studies[study._study_id].trials.extend(trials)
    return study
