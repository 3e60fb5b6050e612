"""Pruning rules are pure functions of a study: the halving rule, the paired rule, and rungs that prove worthless."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState
from pydantic import ValidationError
from rich.console import Console

from sweep.cli.plan import print_plan
from sweep.ledger.storage import open_storage
from sweep.search.pruning import FINAL_SCORES, Adaptive, ReplicateAsha, ReplicateWilcoxon, pruner
from sweep.search.rungs import LEAST_TRIALS
from sweep.spec.blocks import RULES_WITH_RUNGS, Pruning
from sweep.spec.reader import load_spec

RULES: tuple[str, ...] = get_args(Pruning.model_fields["rule"].annotation)


def study_with(*trials: Mapping[int, float]) -> optuna.Study:
    study = optuna.create_study(direction="maximize", storage=optuna.storages.InMemoryStorage())
    for values in trials:
        study.add_trial(
            optuna.trial.create_trial(state=TrialState.RUNNING, intermediate_values={**values}),
        )
    return study


@pytest.mark.parametrize(
    ("scores", "stops"),
    [
        ([0.5], False),  # alone
        ([0.9, 0.5], False),  # fewer than three scores in the rung
        ([0.9, 0.8, 0.5], True),
        ([0.5, 0.8, 0.9], False),  # the best of three
        ([0.9, 0.9, 0.9], False),  # ties continue
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], False),
        ([0.9, 0.2, 0.3, 0.4, 0.8, 0.6], True),  # third of six; two may continue
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


def test_a_trial_without_reports_continues() -> None:
    study = study_with({})
    assert not ReplicateAsha([1], 2, 2).prune(study, study.trials[0])
    assert not ReplicateWilcoxon(evaluations=2).prune(study, study.trials[0])


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_has_rungs_in_the_plan_and_in_the_spec_if_its_pruner_has_them(rule: str) -> None:
    has_rungs = hasattr(pruner(Pruning.model_validate({"rule": rule}), 2, 4), "rungs")
    assert (rule in RULES_WITH_RUNGS) == has_rungs
    out = io.StringIO()
    fine_tuned = load_spec("quickstart", [f"pruning.rule={rule}", "compare.recipe=fine_tune"])
    print_plan(Console(file=out, width=200), fine_tuned, timed=False)
    elsewhere = {"none": "\n", "wilcoxon": " at no evaluation, since it needs more than 4 replicates; received 2\n"}
    where = " at evaluations 1, 2 of 4\n" if has_rungs else elsewhere[rule]
    assert f"\npruning: {rule}{where}" in out.getvalue()


@pytest.mark.parametrize(
    ("rungs", "frozen", "fine_tuned"),
    [
        ("null", "at evaluations 1 of 2", "at evaluations 1, 2 of 4"),
        ("[1, 3]", "at evaluations 1 of 2", "at evaluations 1, 3 of 4"),
        ("[2, 3]", "at no evaluation", "at evaluations 2, 3 of 4"),
    ],
)
def test_a_plan_has_the_rungs_that_each_kind_of_trial_meets(rungs: str, frozen: str, fine_tuned: str) -> None:
    out = io.StringIO()
    spec = load_spec("quickstart", [f"pruning.rungs={rungs}", "compare.loss=[cross_entropy, supcon]"])
    print_plan(Console(file=out, width=200), spec, timed=False)
    assert f"\npruning: asha {frozen} (frozen)\n" in out.getvalue()
    assert f"\npruning: asha {fine_tuned} (cross_entropy, supcon)\n" in out.getvalue()


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


def test_wilcoxon_lets_a_draw_dependent_difference_continue() -> None:
    best = [0.80, 0.60, 0.75, 0.66, 0.71, 0.69, 0.77]
    study, trial = wilcoxon_study(best, [score + (0.05 if i % 2 else -0.05) for i, score in enumerate(best[:6])])
    assert not ReplicateWilcoxon(evaluations=2).prune(study, trial)


# ---- rungs that do not predict ---------------------------------------------------------------------------------------

RISING, FALLING = (0.1, 0.2, 0.3, 0.4, 0.5), (0.5, 0.4, 0.3, 0.2, 0.1)


def completed(at_rungs: Mapping[int, float], finals: Sequence[float]) -> FrozenTrial:
    return optuna.trial.create_trial(
        state=TrialState.COMPLETE,
        value=sum(finals) / len(finals),
        intermediate_values={**at_rungs},
        user_attrs={FINAL_SCORES: list(finals)},
    )


def candidate(number: int, score: float) -> FrozenTrial:
    return optuna.trial.create_trial(state=TrialState.RUNNING, intermediate_values={number: score})


def study_of(trials: Sequence[FrozenTrial]) -> optuna.Study:
    study = optuna.create_study(direction="maximize", storage=optuna.storages.InMemoryStorage())
    study.add_trials(trials)
    return study


def stops(rule: optuna.pruners.BasePruner, earlier: Sequence[FrozenTrial], last: FrozenTrial) -> bool:
    study = study_of([*earlier, last])
    return rule.prune(study, study.trials[-1])


def adaptive(**fields: Any) -> optuna.pruners.BasePruner:
    """The rule of a spec for 2 replicates of 2 evaluations: rungs 1 and 2."""
    return pruner(Pruning(adaptive=True, **fields), replicates=2, evaluations=2)


@pytest.mark.parametrize("rule", ["asha", "median"])
def test_a_rung_that_contradicts_the_end_stops_nothing(rule: str) -> None:
    earlier = [completed({2: score}, [score, end]) for score, end in zip(RISING, FALLING, strict=True)]
    assert stops(pruner(Pruning(rule=rule), 2, 2), earlier, candidate(2, 0.05))
    assert not stops(adaptive(rule=rule), earlier, candidate(2, 0.05))


@pytest.mark.parametrize("rule", ["asha", "median"])
def test_a_rung_that_predicts_stops_as_before(rule: str) -> None:
    earlier = [completed({2: score}, [score, end]) for score, end in zip(RISING, RISING, strict=True)]
    assert stops(adaptive(rule=rule), earlier, candidate(2, 0.05))
    assert not stops(adaptive(rule=rule), earlier, candidate(2, 0.6))


def test_each_rung_is_judged_for_itself() -> None:
    ends = zip(FALLING, RISING, strict=True)
    earlier = [completed({1: early, 2: later}, [later, later]) for early, later in ends]
    assert not stops(adaptive(), earlier, candidate(1, 0.05))
    assert stops(adaptive(), earlier, candidate(2, 0.05))


def test_the_replicate_of_the_rung_says_nothing_for_it() -> None:
    """Scores that agree with their own draw to the end, and with the next draw not at all."""
    earlier = [completed({1: score, 2: score}, [score, end]) for score, end in zip(RISING, FALLING, strict=True)]
    assert not stops(adaptive(), earlier, candidate(1, 0.05))


def test_a_pilot_of_completed_trials_is_never_stopped() -> None:
    earlier = [completed({2: score}, [score, end]) for score, end in zip(RISING, RISING, strict=True)]
    assert stops(pruner(Pruning(), 2, 2), earlier[: LEAST_TRIALS - 1], candidate(2, 0.05))
    assert not stops(adaptive(), earlier[: LEAST_TRIALS - 1], candidate(2, 0.05))
    assert stops(adaptive(), earlier[:LEAST_TRIALS], candidate(2, 0.05))


def test_only_completed_trials_are_witnesses() -> None:
    """Pruned and diverged trials are PRUNED in the study, and have no final order."""
    witnesses = [completed({2: score}, [score, end]) for score, end in zip(RISING, RISING, strict=True)]
    pruned = [
        optuna.trial.create_trial(
            state=TrialState.PRUNED, intermediate_values=each.intermediate_values, user_attrs=each.user_attrs
        )
        for each in witnesses
    ]
    assert stops(adaptive(), witnesses, candidate(2, 0.05))
    assert not stops(adaptive(), pruned, candidate(2, 0.05))


def test_more_trials_bring_a_rung_back() -> None:
    misled = [completed({2: score}, [score, end]) for score, end in zip(RISING, FALLING, strict=True)]
    assert not stops(adaptive(), misled, candidate(2, 0.05))
    later = [completed({2: 0.5 + score}, [0.5, 0.5 + score]) for score in RISING for _ in range(3)]
    assert stops(adaptive(), [*misled, *later], candidate(2, 0.05))


def test_the_decision_survives_a_restart(tmp_path: Path) -> None:
    earlier = [completed({2: score}, [score, end]) for score, end in zip(RISING, FALLING, strict=True)]
    path = tmp_path / "ledger.journal"
    optuna.create_study(study_name="cell", storage=open_storage(path, write=True)).add_trials(
        [*earlier, candidate(2, 0.05)]
    )
    again = optuna.load_study(study_name="cell", storage=open_storage(path, write=True))
    assert ReplicateAsha([1, 2], 3, 3).prune(again, again.trials[-1])
    assert not adaptive().prune(again, again.trials[-1])


def test_outside_its_rungs_the_adaptive_rule_is_silent() -> None:
    assert not stops(adaptive(), [], optuna.trial.create_trial(state=TrialState.RUNNING))
    assert not stops(adaptive(), [completed({3: 0.9}, [0.9, 0.9])] * 6, candidate(3, 0.1))


def test_the_spec_chooses_the_rule() -> None:
    assert isinstance(pruner(Pruning(), 4, 4), ReplicateAsha)
    assert isinstance(adaptive(), Adaptive)
    assert isinstance(pruner(Pruning(rule="wilcoxon"), 2, 2), ReplicateWilcoxon)
    assert isinstance(pruner(Pruning(rule="none"), 2, 2), optuna.pruners.NopPruner)


@pytest.mark.parametrize("rule", sorted({*RULES} - {*RULES_WITH_RUNGS}))
def test_a_rule_without_rungs_cannot_be_adaptive(rule: str) -> None:
    with pytest.raises(ValidationError, match=f"can be adaptive: asha, median.*; the rule is {rule}"):
        adaptive(rule=rule)
