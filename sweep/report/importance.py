"""The importance of each searched field, by method: Optuna's PED-ANOVA over a study made from the records.

The trials of all cells of a method are pooled: from each score, the mean score of its cell is subtracted, so that an
easy dataset is not mistaken for a good configuration.
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
    from optuna.trial import FrozenTrial

__all__ = ["FEW_TRIALS", "Importance", "importances", "is_wide", "relative_scores"]

FEW_TRIALS = 30
"""With fewer trials, an importance is only a hint: PED-ANOVA compares the best tenth, which is three of 30 trials."""

_FEWEST_TRIALS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """The importance of the fields that the search of a method varied.

    method: its name.
    trials: number of trials that the importance is estimated from.
    shares: importance by field, the largest first; they sum to 1.
    """

    method: str
    trials: int
    shares: Mapping[str, float]


def relative_scores(trials: Sequence[TrialRecord]) -> list[tuple[TrialRecord, float]]:
    """Every trial that has a score, with its last score minus the mean score of its cell."""
    by_cell: dict[str, list[float]] = {}
    for trial in trials:
        if trial.score is not None:
            by_cell.setdefault(trial.cell, []).append(trial.score)
    return [(trial, trial.score - fmean(by_cell[trial.cell])) for trial in trials if trial.score is not None]


def importances(trials: Sequence[TrialRecord]) -> tuple[Importance, ...]:
    """The importance of each field that took more than one value, by method.

    By PED-ANOVA (Watanabe, Bansal and Hutter, 2023, arXiv:2304.10255). Losses with fewer than eight scored trials are
    left out.
    """
    by_method: dict[str, list[tuple[TrialRecord, float]]] = {}
    for trial, score in relative_scores(trials):
        by_method.setdefault(trial.config.method, []).append((trial, score))
    found = [_importance(method, scored) for method, scored in by_method.items() if len(scored) >= _FEWEST_TRIALS]
    return tuple(importance for importance in found if importance.shares)


def _importance(method: str, scored: Sequence[tuple[TrialRecord, float]]) -> Importance:
    import optuna

    from sweep.search.study import study_of

    fields = _distributions([trial.params for trial, _ in scored])
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # silence Optuna's log about the temporary study
    study = study_of(_trial(number, trial, fields, score) for number, (trial, score) in enumerate(scored))
    shares = optuna.importance.get_param_importances(study, params=list(fields)) if fields else {}
    return Importance(method=method, trials=len(scored), shares=shares)


def _trial(number: int, trial: TrialRecord, fields: Mapping[str, BaseDistribution], score: float) -> FrozenTrial:
    import optuna

    params = {name: trial.params[name] for name in fields}
    found = optuna.trial.create_trial(params=params, distributions=dict(fields), value=score)
    found.number = found._trial_id = number  # by which the evaluator tells trials apart
    return found


def _distributions(trials: Sequence[Mapping[str, Scalar]]) -> dict[str, BaseDistribution]:
    """For each field but `loss` that all trials have, a distribution over the span of its values."""
    common = [name for name in trials[0] if name != "loss" and all(name in params for params in trials)]
    values = {name: [params[name] for params in trials] for name in common}
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
    """True if the numbers are positive and span more than a factor of ten, as those of a logarithmic range do."""
    return min(numbers) > 0 and max(numbers) / min(numbers) > 10
