"""Pruning rules are pure functions of a study: rungs, the halving rule, and the paired rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import optuna
import pytest
from optuna.trial import TrialState

from sweep.pruning import FINAL_SCORES, ReplicateAsha, ReplicateWilcoxon, default_rungs


def study_with(*trials: Mapping[int, float]) -> optuna.Study:
    study = optuna.create_study(direction="maximize", storage=optuna.storages.InMemoryStorage())
    for values in trials:
        study.add_trial(
            optuna.trial.create_trial(state=TrialState.RUNNING, intermediate_values={**values}),
        )
    return study


@pytest.mark.parametrize(
    ("replicates", "evaluations", "rungs"),
    [
        (1, 1, ()),
        (1, 4, (2,)),
        (2, 2, (1, 2)),
        (4, 4, (2, 4, 8)),
        (8, 4, (2, 4, 8, 16)),
        (5, 1, (1, 2, 4)),
        (3, 5, (2, 5, 10)),
    ],
)
def test_default_rungs_stand_half_way_and_after_powers_of_two(
    replicates: int, evaluations: int, rungs: tuple[int, ...]
) -> None:
    assert default_rungs(replicates, evaluations) == rungs


def test_the_last_report_is_never_a_rung() -> None:
    for replicates in range(1, 20):
        for evaluations in range(1, 8):
            assert all(rung < replicates * evaluations for rung in default_rungs(replicates, evaluations))


@pytest.mark.parametrize(
    ("scores", "stops"),
    [
        ([0.5], False),  # alone
        ([0.9, 0.5], False),  # fewer than three scores in the rung
        ([0.9, 0.8, 0.5], True),
        ([0.5, 0.8, 0.9], False),  # the best of three
        ([0.9, 0.9, 0.9], False),  # ties go on
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], False),
        ([0.9, 0.2, 0.3, 0.4, 0.8, 0.6], True),  # third of six; two may go on
    ],
)
def test_asha_keeps_the_best_third_at_a_rung(scores: Sequence[float], stops: bool) -> None:
    study = study_with(*({2: score} for score in scores))
    rule = ReplicateAsha(rungs=[2], reduction_factor=3, minimum=3)
    assert rule.prune(study, study.trials[-1]) is stops


def test_asha_compares_only_at_rungs_and_only_within_a_rung() -> None:
    study = study_with(
        {1: 0.9, 2: 0.9, 3: 0.9}, {1: 0.8, 2: 0.8, 3: 0.8}, {1: 0.7, 2: 0.7, 3: 0.7}, {1: 0.1, 2: 0.1, 3: 0.1}
    )
    rule = ReplicateAsha(rungs=[2], reduction_factor=2, minimum=2)
    assert not rule.prune(study, study.trials[-1])  # its last report, 3, is no rung
    assert rule.prune(study_with({2: 0.9}, {2: 0.8}, {2: 0.7}), study_with({2: 0.9}, {2: 0.8}, {2: 0.7}).trials[-1])


def test_asha_waits_for_the_minimum_of_records() -> None:
    study = study_with({1: 0.9}, {1: 0.8}, {1: 0.1})
    assert ReplicateAsha([1], 2, minimum=2).prune(study, study.trials[-1])
    assert not ReplicateAsha([1], 2, minimum=4).prune(study, study.trials[-1])


def test_a_trial_without_reports_goes_on() -> None:
    study = study_with({})
    assert not ReplicateAsha([1], 2, 2).prune(study, study.trials[0])
    assert not ReplicateWilcoxon(evaluations=2).prune(study, study.trials[0])


def wilcoxon_study(best: Sequence[float], running: Sequence[float]) -> tuple[optuna.Study, optuna.trial.FrozenTrial]:
    study = optuna.create_study(direction="maximize", storage=optuna.storages.InMemoryStorage())
    study.add_trial(
        optuna.trial.create_trial(
            state=TrialState.COMPLETE, value=sum(best) / len(best), user_attrs={FINAL_SCORES: list(best)}
        )
    )
    trial = optuna.trial.create_trial(
        state=TrialState.RUNNING,
        intermediate_values={2 * len(running): sum(running) / len(running)},
        user_attrs={FINAL_SCORES: list(running)},
    )
    return study, trial


def test_wilcoxon_stops_what_loses_on_every_common_draw() -> None:
    best = [0.80, 0.60, 0.75, 0.66, 0.71, 0.69, 0.77]
    study, trial = wilcoxon_study(best, [score - 0.1 for score in best[:6]])
    assert ReplicateWilcoxon(evaluations=2).prune(study, trial)


def test_wilcoxon_lets_a_draw_dependent_difference_go_on() -> None:
    best = [0.80, 0.60, 0.75, 0.66, 0.71, 0.69, 0.77]
    study, trial = wilcoxon_study(best, [score + (0.05 if i % 2 else -0.05) for i, score in enumerate(best[:6])])
    assert not ReplicateWilcoxon(evaluations=2).prune(study, trial)
