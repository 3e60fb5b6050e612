"""How much each searched field matters, by loss: Optuna's PED-ANOVA over a study made of the records.

Trials of all cells of a loss are taken together: from each score the mean score of its cell is subtracted, so that an
easy dataset does not pass for a good configuration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from sweep.records.trial import TrialRecord
from trainable.ranges import Scalar

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

__all__ = ["FEW_TRIALS", "Importance", "importances", "relative_scores"]

FEW_TRIALS = 30
"""Below so many trials an importance is a hint: of 30 trials, PED-ANOVA's best tenth are three."""

_FEWEST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """shares: of each searched field, the most important first; they sum to 1. trials: from how many they are told."""

    loss: str
    trials: int
    shares: Mapping[str, float]


def relative_scores(trials: Sequence[TrialRecord]) -> list[tuple[TrialRecord, float]]:
    """Each trial that has a score, with its last score less the mean of those of its cell."""
    by_cell: dict[str, list[float]] = {}
    for trial in trials:
        if trial.score is not None:
            by_cell.setdefault(trial.cell, []).append(trial.score)
    return [(trial, trial.score - fmean(by_cell[trial.cell])) for trial in trials if trial.score is not None]


def importances(trials: Sequence[TrialRecord]) -> tuple[Importance, ...]:
    """By loss, the importance of each field that took more than one value (Watanabe, Bansal and Hutter, 2023,
    arXiv:2304.10255). Losses with fewer than eight scored trials are left out."""
    by_loss: dict[str, list[tuple[TrialRecord, float]]] = {}
    for trial, score in relative_scores(trials):
        by_loss.setdefault(trial.config.loss.name, []).append((trial, score))
    found = [_importance(loss, scored) for loss, scored in by_loss.items() if len(scored) >= _FEWEST]
    return tuple(each for each in found if each.shares)


def _importance(loss: str, scored: Sequence[tuple[TrialRecord, float]]) -> Importance:
    import optuna

    fields = _distributions([trial.params for trial, _ in scored])
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # as the ledger does: a study in memory is nobody's news
    study = optuna.create_study(direction="maximize", storage=optuna.storages.InMemoryStorage(), study_name=loss)
    study.add_trials(
        [
            optuna.trial.create_trial(
                params={name: trial.params[name] for name in fields}, distributions=fields, value=score
            )
            for trial, score in scored
        ]
    )
    shares = optuna.importance.get_param_importances(study, params=list(fields)) if fields else {}
    return Importance(loss=loss, trials=len(scored), shares=shares)


def _distributions(every: Sequence[Mapping[str, Scalar]]) -> dict[str, BaseDistribution]:
    """The span of the values tried of each field that all trials have, `loss` aside."""
    common = [name for name in every[0] if name != "loss" and all(name in params for params in every)]
    values = {name: [params[name] for params in every] for name in common}
    return {name: _distribution(tried) for name, tried in values.items() if len(set(tried)) > 1}


def _distribution(tried: Sequence[Scalar]) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    numbers = [value for value in tried if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < len(tried):
        return CategoricalDistribution(sorted(set(tried), key=str))
    low, high = min(numbers), max(numbers)
    log = is_wide(numbers)
    if all(isinstance(value, int) for value in numbers):
        return IntDistribution(int(low), int(high), log=log)
    return FloatDistribution(float(low), float(high), log=log)


def is_wide(numbers: Sequence[float]) -> bool:
    """Whether positive numbers span more than a factor of ten, as those that are searched on a logarithmic scale do."""
    return min(numbers) > 0 and max(numbers) / min(numbers) > 10
