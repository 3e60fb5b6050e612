"""Pruning: the rules by which trials stop early, as Optuna pruners over the scores of a cell's trials.

Evaluations and rungs are numbered as in `sweep.search.rungs`, which makes the decision from plain scores; the pruners
read the scores from an Optuna study.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import optuna
from optuna.trial import FrozenTrial, TrialState

from sweep.search.rungs import default_rungs, falls_behind, is_predictive, later_quality, rung_tau
from sweep.search.study import scores_at

if TYPE_CHECKING:
    from sweep.spec.blocks import Pruning

__all__ = ["FINAL_SCORES", "Adaptive", "ReplicateAsha", "ReplicateWilcoxon", "pruner", "replicate_scores"]

FINAL_SCORES = "replicate_scores"
"""The user attribute of a trial with the final score of each completed replicate."""


def pruner(rule: Pruning, replicates: int, evaluations: int) -> optuna.pruners.BasePruner:
    """The pruner for a spec's `pruning` block. Only rules with rungs can be adaptive.

    rule: the block.
    replicates, evaluations: of a trial, and of each of its replicates; the default rungs depend on them.
    """
    rungs = tuple(rule.rungs) if rule.rungs is not None else default_rungs(replicates, evaluations)
    minimum = rule.min_records if rule.min_records is not None else rule.reduction_factor
    match rule.rule:
        case "asha":
            halving = ReplicateAsha(rungs, rule.reduction_factor, minimum)
        case "median":
            halving = ReplicateAsha(rungs, 2, max(minimum, 2))
        case "wilcoxon":
            return ReplicateWilcoxon(evaluations)
        case _:
            return optuna.pruners.NopPruner()
    return Adaptive(halving, evaluations) if rule.adaptive else halving


class ReplicateAsha(optuna.pruners.BasePruner):
    """Asynchronous successive halving at explicit rungs (Li et al., 2020, arXiv:1810.05934, the stopping variant).

    A trial that reaches a rung continues if its score is among the best 1 / reduction_factor of the scores recorded
    there, ties included. With a factor of 2 this is the median rule.

    rungs: evaluation numbers at which trials are compared.
    reduction_factor: the share of trials that continue is 1 / reduction_factor.
    minimum: scores that must be recorded at a rung before it stops any trial.
    """

    def __init__(self, rungs: Sequence[int], reduction_factor: int, minimum: int) -> None:
        self.rungs = frozenset(rungs)
        self.reduction_factor = reduction_factor
        self.minimum = minimum

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        rung = trial.last_step
        if rung not in self.rungs:
            return False
        score, recorded = trial.intermediate_values[rung], scores_at(study, rung)
        return falls_behind(score, recorded, self.reduction_factor, self.minimum)


class Adaptive(optuna.pruners.BasePruner):
    """A rule with rungs in which a rung stops trials only while it predicts the final order of the trials.

    Prediction is measured on the completed trials of the study alone, so that the same trials always lead to the same
    decision, before and after a restart. The first `LEAST_TRIALS` trials that complete are a pilot: none of them is
    stopped, so that each rung is measured on all trials and not only on those that passed it. After the pilot, a rung
    stops trials where Kendall's tau is at least `LEAST_TAU`, and never in a cell whose rungs are noise.

    rule: the pruner that decides where a rung predicts.
    evaluations: number of evaluations in a replicate.
    """

    def __init__(self, rule: optuna.pruners.BasePruner, evaluations: int) -> None:
        self.rule = rule
        self.evaluations = evaluations

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        rung = trial.last_step
        return rung is not None and self.rule.prune(study, trial) and self._predicts(study, rung)

    def _predicts(self, study: optuna.Study, rung: int) -> bool:
        completed = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        pairs = [
            (known.intermediate_values[rung], later_quality(finals, rung, self.evaluations))
            for known in completed
            if rung in known.intermediate_values and (finals := replicate_scores(known))
        ]
        return is_predictive([rung_tau(pairs)]) is True


class ReplicateWilcoxon(optuna.pruners.BasePruner):
    """Stops a trial that is significantly worse than the best one on their common draws (Optuna's WilcoxonPruner).

    Replicate i of every trial trains on the same draw, so the scores of two trials are paired.

    evaluations: number of evaluations in a replicate.
    p_threshold: significance level of the test.
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
        best = max(complete, key=lambda known: float(known.value or 0.0))
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
