"""Which trials stop early: rules over the scores of a cell's trials, as Optuna pruners.

A trial's reports are numbered from 1; report n = replicate * E + evaluation. A rung is a report number at which a trial
is compared with the other trials of its cell that reached it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import optuna
from optuna.trial import FrozenTrial, TrialState

if TYPE_CHECKING:
    from sweep.spec.model import Pruning

__all__ = ["ReplicateAsha", "ReplicateWilcoxon", "default_rungs", "pruner", "replicate_scores"]

FINAL_SCORES = "replicate_scores"  # user attribute of a trial: the final score of each completed replicate


def default_rungs(replicates: int, evaluations: int) -> tuple[int, ...]:
    """Report numbers of the rungs: half-way through the first replicate, then after 1, 2, 4, ... replicates.

    Few-shot scores are noise until averaged over draws, so most rungs stand between replicates and not inside them.
    """
    rungs = [evaluations // 2] if evaluations > 1 else []
    done = 1
    while done < replicates:
        rungs.append(done * evaluations)
        done *= 2
    return tuple(rungs)


def pruner(rule: Pruning, replicates: int, evaluations: int) -> optuna.pruners.BasePruner:
    """The pruner that a spec's `pruning` block asks for."""
    rungs = tuple(rule.rungs) if rule.rungs is not None else default_rungs(replicates, evaluations)
    minimum = rule.min_records if rule.min_records is not None else rule.reduction_factor
    match rule.rule:
        case "asha":
            return ReplicateAsha(rungs, rule.reduction_factor, minimum)
        case "median":
            return ReplicateAsha(rungs, 2, max(minimum, 2))
        case "wilcoxon":
            return ReplicateWilcoxon(evaluations)
        case _:
            return optuna.pruners.NopPruner()


class ReplicateAsha(optuna.pruners.BasePruner):
    """Asynchronous successive halving at explicit rungs (Li et al., 2020, arXiv:1810.05934, the stopping variant).

    A trial that reports at a rung goes on if its score is among the best 1 / reduction_factor of the scores recorded
    there, ties included. Nothing stops before `minimum` scores stand in the rung. reduction_factor 2 is the median
    rule.
    """

    def __init__(self, rungs: Sequence[int], reduction_factor: int, minimum: int) -> None:
        self.rungs = frozenset(rungs)
        self.reduction_factor = reduction_factor
        self.minimum = minimum

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        rung = trial.last_step
        if rung not in self.rungs:
            return False
        score = trial.intermediate_values[rung]
        others = (other.intermediate_values.get(rung) for other in study.get_trials(deepcopy=False))
        scores = sorted((other for other in others if other is not None and math.isfinite(other)), reverse=True)
        if len(scores) < max(self.minimum, self.reduction_factor):
            return False
        return score < scores[len(scores) // self.reduction_factor - 1]


class ReplicateWilcoxon(optuna.pruners.BasePruner):
    """Stops a trial that is significantly worse than the best one on their common draws (Optuna's WilcoxonPruner).

    Replicate i of every trial trains on the same draw, which makes the scores of two trials pairs.
    """

    def __init__(self, evaluations: int, p_threshold: float = 0.1) -> None:
        self.evaluations = evaluations
        self.p_threshold = p_threshold

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        if trial.last_step is None or trial.last_step % self.evaluations:
            return False
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if not complete:
            return False
        best = max(complete, key=lambda each: float(each.value or 0.0))
        pairs = optuna.create_study(direction="maximize", storage=optuna.storages.InMemoryStorage())
        pairs.add_trial(_by_replicate(best, TrialState.COMPLETE))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            rule = optuna.pruners.WilcoxonPruner(p_threshold=self.p_threshold, n_startup_steps=3)
        return rule.prune(pairs, _by_replicate(trial, TrialState.RUNNING))


def replicate_scores(trial: FrozenTrial) -> list[float]:
    """The final score of each completed replicate, in order."""
    return list(trial.user_attrs.get(FINAL_SCORES, ()))


def _by_replicate(trial: FrozenTrial, state: TrialState) -> FrozenTrial:
    return optuna.trial.create_trial(
        state=state,
        value=trial.value if state is TrialState.COMPLETE else None,
        intermediate_values=dict(enumerate(replicate_scores(trial))),
    )
