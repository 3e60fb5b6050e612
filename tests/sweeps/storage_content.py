"""What an Optuna storage holds: one record of every kind, and all of it as values that can be compared."""

from __future__ import annotations

from optuna.distributions import FloatDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

__all__ = ["Content", "all_studies", "fill"]

Content = list[tuple[str, dict[str, object], list[FrozenTrial]]]
"""Of each study its name, its user attributes and its trials."""


def fill(storage: BaseStorage) -> None:
    """One record of every kind that a ledger writes."""
    study = storage.create_new_study([StudyDirection.MAXIMIZE], "small")
    storage.set_study_user_attr(study, "created", "Größe")
    trial = storage.create_new_trial(study)
    storage.set_trial_param(trial, "x", 0.5, FloatDistribution(0, 1))
    storage.set_trial_user_attr(trial, "config", {"loss": "triplet"})
    storage.set_trial_system_attr(trial, "fixed", [1, None])
    storage.set_trial_intermediate_value(trial, 1, 0.25)
    storage.set_trial_state_values(trial, TrialState.COMPLETE, [0.25])


def all_studies(storage: BaseStorage) -> Content:
    """All studies of a storage."""
    return [
        (study.study_name, study.user_attrs, storage.get_all_trials(study._study_id))
        for study in storage.get_all_studies()
    ]
