"""What every pruning rule of a spec must do, whatever it compares."""

from __future__ import annotations

import math
import pickle
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import optuna
import pytest
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, TrialState, create_trial

from sweep.ledger.storage import open_storage
from sweep.search.pruning import FINAL_SCORES, pruner
from sweep.search.study import ScoredStudy
from sweep.spec.blocks import Pruning

REPLICATES, EVALUATIONS = 6, 2
REPORTS = range(1, REPLICATES * EVALUATIONS + 1)

RULES = {
    "none": Pruning(rule="none"),
    "asha": Pruning(rule="asha"),
    "asha, one in two": Pruning(rule="asha", reduction_factor=2),
    "asha at every report": Pruning(rule="asha", rungs=tuple(REPORTS)),
    "median": Pruning(rule="median"),
    "wilcoxon": Pruning(rule="wilcoxon"),
    "adaptive asha": Pruning(rule="asha", adaptive=True),
    "adaptive median": Pruning(rule="median", adaptive=True),
}
STOPPING = [name for name in RULES if name != "none"]

EVERY_STUDY = pytest.mark.parametrize("seed", range(5))


@pytest.fixture(params=list(RULES))
def rule(request: pytest.FixtureRequest) -> BasePruner:
    """One rule after the other."""
    return made(request.param)


def made(name: str) -> BasePruner:
    return pruner(RULES[name], REPLICATES, EVALUATIONS)


def trial(scores: Sequence[float], reports: int = len(REPORTS), *, running: bool = False) -> FrozenTrial:
    """A trial with these final scores of its replicates, as a ledger tells it to Optuna after so many reports."""
    finals = list(scores[: reports // EVALUATIONS])
    means = {n: float(np.mean(scores[: max(1, n // EVALUATIONS)])) for n in range(1, reports + 1)}
    return create_trial(
        state=TrialState.RUNNING if running else TrialState.COMPLETE,
        value=None if running else means[reports],
        intermediate_values=means,
        user_attrs={FINAL_SCORES: finals},
    )


def earlier(seed: int, num_trials: int = 9) -> list[FrozenTrial]:
    """Completed trials, each of a quality of its own, on draws that are easy or hard for all of them."""
    rng = np.random.default_rng(seed)
    draws = rng.normal(0.0, 0.05, REPLICATES)
    return [trial((quality + draws).tolist()) for quality in rng.permutation(np.linspace(0.4, 0.6, num_trials))]


def study_of(trials: Sequence[FrozenTrial], storage: optuna.storages.BaseStorage | None = None) -> optuna.Study:
    study = optuna.create_study(
        study_name="cell", direction="maximize", storage=storage or optuna.storages.InMemoryStorage()
    )
    study.add_trials(trials)
    return study


def decisions(rule: BasePruner, others: Sequence[FrozenTrial], scores: Sequence[float]) -> list[bool]:
    """Whether the rule stops a trial with these final scores, report by report."""
    return list(_decisions(rule, others, lambda reports: trial(scores, reports, running=True)))


def _decisions(rule: BasePruner, others: Sequence[FrozenTrial], last: Callable[[int], FrozenTrial]) -> Iterator[bool]:
    for reports in REPORTS:
        study = study_of([*others, last(reports)])
        yield rule.prune(study, study.trials[-1])


def random_state() -> bytes:
    """Of this process: Python's and numpy's."""
    return pickle.dumps((random.getstate(), np.random.get_state()))


def test_every_rule_of_a_spec_is_here() -> None:
    assert {block.rule for block in RULES.values()} == set(get_args(Pruning.model_fields["rule"].annotation))


def test_the_first_trial_is_never_stopped(rule: BasePruner) -> None:
    assert not any(decisions(rule, [], REPLICATES * [0.0]))


@EVERY_STUDY
def test_the_best_trial_is_never_stopped(rule: BasePruner, seed: int) -> None:
    others = earlier(seed)
    best = max(others, key=lambda each: each.value or 0.0).user_attrs[FINAL_SCORES]
    assert not any(decisions(rule, others, [score + 0.01 for score in best]))
    assert not any(decisions(rule, others, best)), "nor is its equal"


@pytest.mark.parametrize("name", STOPPING)
@EVERY_STUDY
def test_a_trial_that_is_worse_on_every_draw_is_stopped(name: str, seed: int) -> None:
    others = earlier(seed)
    worst = min(others, key=lambda each: each.value or 0.0).user_attrs[FINAL_SCORES]
    assert any(decisions(made(name), others, [score - 0.1 for score in worst]))


def test_the_rule_that_is_none_stops_nothing() -> None:
    assert not any(decisions(made("none"), earlier(0), REPLICATES * [0.0]))


@EVERY_STUDY
def test_whoever_is_stopped_would_be_with_lower_scores(rule: BasePruner, seed: int) -> None:
    others = earlier(seed)
    scores = [0.02 + score for score in others[0].user_attrs[FINAL_SCORES]]
    lower = decisions(rule, others, [score - 0.05 for score in scores])
    assert all(after for before, after in zip(decisions(rule, others, scores), lower, strict=True) if before)


def test_a_trial_without_a_report_is_never_stopped(rule: BasePruner) -> None:
    study = study_of([*earlier(0), create_trial(state=TrialState.RUNNING)])
    assert rule.prune(study, study.trials[-1]) is False


def test_a_score_that_is_missing_stops_nobody(rule: BasePruner) -> None:
    def without_a_score(reports: int) -> FrozenTrial:
        return create_trial(state=TrialState.RUNNING, intermediate_values={reports: math.nan})

    assert not any(_decisions(rule, earlier(0), without_a_score))


@EVERY_STUDY
def test_trials_without_scores_count_for_nothing(rule: BasePruner, seed: int) -> None:
    others, scores = earlier(seed), REPLICATES * [0.45]
    silent = [
        create_trial(state=TrialState.RUNNING),
        create_trial(state=TrialState.FAIL),
        create_trial(state=TrialState.PRUNED, intermediate_values=dict.fromkeys(REPORTS, math.nan)),
    ]
    assert decisions(rule, [*silent, *others], scores) == decisions(rule, others, scores)


@EVERY_STUDY
def test_the_order_of_the_trials_does_not_matter(rule: BasePruner, seed: int) -> None:
    others, scores = earlier(seed), REPLICATES * [0.45]
    assert decisions(rule, others[::-1], scores) == decisions(rule, others, scores)


def test_a_decision_depends_on_the_study_alone_and_leaves_it_as_it_is(rule: BasePruner) -> None:
    study = study_of([*earlier(0), trial(REPLICATES * [0.3], 8, running=True)])
    before, state = study.get_trials(), random_state()
    first = rule.prune(study, study.trials[-1])
    assert [rule.prune(study, study.trials[-1]) for _ in range(3)] == 3 * [first]
    assert study.get_trials() == before
    assert random_state() == state


@pytest.mark.parametrize("name", RULES)
def test_the_same_is_decided_after_a_restart(name: str, tmp_path: Path) -> None:
    scores = REPLICATES * [0.3]
    before = decisions(made(name), earlier(1), scores)
    assert any(before) == (name in STOPPING)
    for reports, decision in zip(REPORTS, before, strict=True):
        place = tmp_path / f"{reports}.journal"
        study_of([*earlier(1), trial(scores, reports, running=True)], open_storage(place, write=True))
        again = optuna.load_study(study_name="cell", storage=open_storage(place, write=False))
        assert made(name).prune(again, again.trials[-1]) is decision


@EVERY_STUDY
def test_a_study_that_keeps_its_scores_in_order_is_decided_like_any_other(rule: BasePruner, seed: int) -> None:
    """As in a ledger: it hears of each trial after each of its reports, and not of those that are only listed."""
    others, scores = earlier(seed), REPLICATES * [0.45]
    scored = ScoredStudy("cell", study_of(others)._storage)
    for known in scored.get_trials():
        scored.note(known)
    found = []
    number = scored.ask().number
    for reports in REPORTS:
        last = trial(scores, reports, running=True)
        scored._storage.set_trial_intermediate_value(number, reports, last.intermediate_values[reports])
        scored._storage.set_trial_user_attr(number, FINAL_SCORES, last.user_attrs[FINAL_SCORES])
        now = scored._storage.get_trial(number)
        scored.note(now)
        scored.note(now)  # what is noted twice counts once
        found.append(rule.prune(scored, now))
    assert found == decisions(rule, others, scores)
