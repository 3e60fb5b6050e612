"""The dispatcher fills every cell's budget, exactly once, whatever happens to workers and drivers."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from sweep.ledger.ledger import Ledger
from sweep.ledger.storage import open_storage
from sweep.records.sweep import DataRecord
from sweep.records.trial import outcomes
from sweep.scheduling.assignment import MAX_CRASHES, MAX_STALLS, Assignment
from sweep.scheduling.dispatcher import Dispatcher
from sweep.stored import _close
from tests.sweeps.grid import evaluated, grid, spec
from tests.sweeps.started_dispatcher import dispatcher
from trainable.outcomes import Evaluation, Outcome


def work(each: Dispatcher, assignment: Assignment, replicates: int = 2, upto: int = 99) -> None:
    """Report as a worker would, with scores that depend on the configuration alone."""
    quality = random.Random(str(sorted(assignment.config.flat().items()))).random()
    sent = 0
    for replicate in range(assignment.first, replicates):
        for evaluation in (1, 2):
            sent += 1
            if sent > upto or each.record(assignment.key, evaluated(replicate, evaluation, quality)):
                return


def handed_out(each: Dispatcher, number: int) -> list[Assignment]:
    """The next assignments, as many as asked for."""
    found = [assignment for _ in range(number) if (assignment := each.next()) is not None]
    assert len(found) == number
    return found


def drain(each: Dispatcher) -> None:
    while (assignment := each.next()) is not None:
        work(each, assignment)


def test_every_cell_gets_its_budget_once(tmp_path: Path) -> None:
    each = dispatcher(tmp_path)
    drain(each)
    assert each.exhausted
    assert Counter(record.cell for record in each.ledger.trials()) == {cell.key: 4 for cell in each.cells}
    assert {record.outcome for record in each.ledger.trials()} == {Outcome.COMPLETED}


def test_a_cell_never_gets_more_trials_than_it_has_configurations(tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "trial": {"encoder_lr": 1e-4, "beta": 0.5, "proxy_lr": 0.01},
        "search": {"soft_triple": {"la": 20, "gamma": 0.1, "margin": [0.0, 0.1], "centers_per_class": 5}},
    }
    each = dispatcher(tmp_path, **changes)
    drain(each)
    assert each.exhausted
    found = Counter(record.cell.rpartition("/")[2] for record in each.ledger.trials())
    assert found == {"cross_entropy": 1, "soft_triple": 2}
    margins = [record.params["loss.margin"] for record in each.ledger.trials() if record.params]
    assert sorted(map(str, margins)) == ["0.0", "0.1"]  # each once, and not one of them twice


def test_cells_progress_equally(tmp_path: Path) -> None:
    each = dispatcher(tmp_path, slots=1)
    for asked in range(1, 9):
        assignment = each.next()
        assert assignment is not None
        work(each, assignment)
        counts = Counter(record.cell for record in each.ledger.trials())
        assert max(counts.values()) - min(counts.get(cell.key, 0) for cell in each.cells) <= 1
        assert sum(counts.values()) == asked


def test_the_longest_trials_begin_first_by_what_is_known_of_their_data(tmp_path: Path) -> None:
    """With as many labels of each class, eight classes take longer than two, whatever their names say."""
    changes: dict[str, Any] = {
        "datasets": {"a": {"path": "a.csv"}, "b": {"path": "b.csv"}},
        "compare": {"dataset": ["a", "b"], "loss": ["cross_entropy"], "recipe": ["fine_tune", "setfit"]},
    }
    data = {
        name: DataRecord(name=name, class_names=("",) * classes, pool=400, test=80, test_counts=(10,) * classes)
        for name, classes in (("a", 2), ("b", 8))
    }
    ledger = Ledger(open_storage(tmp_path / "journal", write=True), "small")
    ledger.begin(spec(**changes).resolved(), grid(**changes), {}, data)
    each = Dispatcher(ledger, spec(**changes), grid(**changes), 4, changed=lambda key: None)
    each.start()
    began = [(one.config.dataset.name, one.config.recipe.name) for one in handed_out(each, 4)]
    assert began[0] == ("b", "setfit"), began


def test_no_more_trials_run_than_there_are_slots(tmp_path: Path) -> None:
    each = dispatcher(tmp_path, slots=3)
    assignments = [each.next() for _ in range(5)]
    assert [assignment is None for assignment in assignments] == [False, False, False, True, True]
    assert not each.exhausted


def test_a_lost_trial_continues_after_its_completed_replicates(tmp_path: Path) -> None:
    each = dispatcher(tmp_path, slots=1)
    assignment = each.next()
    assert assignment is not None
    work(each, assignment, upto=3)  # one whole replicate, and half of the next
    each.worker_lost(assignment.key, "node died")
    again = each.next()
    assert again is not None
    assert (again.key, again.first) == (assignment.key, 1)
    assert again.config == assignment.config
    work(each, again)
    assert each.ledger.trial(again.key).outcome is Outcome.COMPLETED
    assert len(each.ledger.trial(again.key).evaluations) == 4


def test_the_work_of_a_lost_worker_is_on_record(tmp_path: Path) -> None:
    now = [100.0]
    each = dispatcher(tmp_path, slots=1, clock=lambda: now[0])
    assignment = each.next()
    assert assignment is not None
    now[0] += 50.0  # it waits for a machine for 20 of them
    each.worker_lost(assignment.key, "node died", running=30.0)
    assignment = each.next()
    assert assignment is not None
    half = evaluated(0, 1, 0.5)
    each.record(assignment.key, replace(half, metrics={**half.metrics, "train_seconds": 3.0, "eval_seconds": 1.0}))
    now[0] += 7.0
    each.worker_lost(assignment.key, "no report", stalled=True, running=40.0)
    expected = [("node died", 30.0), ("no report", 7.0 + 3.0 + 1.0)]
    read_again = Ledger(open_storage(tmp_path / "journal", write=False), "small")
    read_again.read()
    for ledger in (each.ledger, read_again):
        lost = ledger.trial(assignment.key).discarded
        assert [(work.reason, work.seconds) for work in lost] == expected
    assert each.ledger.trial(assignment.key).outcome is Outcome.INTERRUPTED, "no failure of the trial"


def timed(replicate: int, evaluation: int, seconds: float) -> Evaluation:
    """A report of so much work."""
    healthy = evaluated(replicate, evaluation, 0.5)
    return replace(healthy, metrics={**healthy.metrics, "train_seconds": seconds - 1.0, "eval_seconds": 1.0})


def lost_seconds(each: Dispatcher, key: str) -> list[float]:
    return [work.seconds for work in each.ledger.trial(key).discarded]


def test_what_a_driver_that_was_killed_had_been_told_of_is_lost_once(tmp_path: Path) -> None:
    killed = dispatcher(tmp_path, slots=1)
    assignment = killed.next()
    assert assignment is not None
    for replicate, evaluation in ((0, 1), (0, 2), (1, 1)):
        killed.record(assignment.key, timed(replicate, evaluation, 10.0))
    for _ in range(2):  # drivers that end before they have handed anything out
        each = dispatcher(tmp_path, slots=1)
        assert lost_seconds(each, assignment.key) == [10.0]
        assert each.ledger.trial(assignment.key).outcome is Outcome.INTERRUPTED
    again = each.next()
    assert again is not None
    assert (again.key, again.first) == (assignment.key, 1)
    each.record(again.key, timed(1, 1, 12.0))  # on record already: whether it came again, another driver cannot know
    assert lost_seconds(dispatcher(tmp_path, slots=1), assignment.key) == [10.0]


@pytest.mark.parametrize("earlier", [False, True], ids=["now", "by an earlier version"])
def test_what_a_killed_driver_had_been_told_of_is_lost_once_where_it_was_synced_first(
    tmp_path: Path, earlier: bool
) -> None:
    killed = dispatcher(tmp_path, slots=1)
    (only,) = handed_out(killed, 1)
    for replicate, evaluation in ((0, 1), (0, 2), (1, 1)):
        killed.record(only.key, timed(replicate, evaluation, 10.0))
    if earlier:  # which recorded the end alone
        killed.ledger.finish(only.key, Outcome.INTERRUPTED, "the driver died")
    else:
        _close(killed.ledger)
        assert lost_seconds(killed, only.key) == [10.0]
    each = dispatcher(tmp_path, slots=1)
    (again,) = handed_out(each, 1)
    for point in (1, 2):
        each.record(again.key, timed(1, point, 10.0))
    assert lost_seconds(each, only.key) == [10.0]
    assert dispatcher(tmp_path).meter._seconds == each.meter._seconds == 50.0


def test_what_a_stop_interrupts_is_lost(tmp_path: Path) -> None:
    each = dispatcher(tmp_path, slots=2)
    first, second = handed_out(each, 2)
    each.record(first.key, timed(0, 1, 5.0))
    each.record(second.key, timed(0, 1, 5.0))
    each.record(second.key, timed(0, 2, 5.0))
    each.interrupt("the sweep ended: interrupted")
    assert lost_seconds(each, first.key) == [5.0]
    assert lost_seconds(each, second.key) == [], "its replicate had come to its end"
    assert each.ledger.trial(first.key).discarded[0].reason == "the sweep ended: interrupted"


def test_gpu_hours_count_work_for_nothing_and_the_same_for_the_next_driver(tmp_path: Path) -> None:
    now = [0.0]
    budget: dict[str, Any] = {"gpu_hours": 1.0}
    each = dispatcher(tmp_path, slots=1, clock=lambda: now[0], budget=budget)
    each.meter.gpus = 1.0
    for spent, used_up in ((1500.0, False), (1500.0, False), (650.0, True)):  # 3600 are an hour
        assignment = each.next()
        assert assignment is not None
        each.record(assignment.key, timed(0, 1, spent - 100.0))
        now[0] += 100.0
        each.worker_lost(assignment.key, "node died", running=spent)
        assert (each.meter.limit is not None) is used_up
    later = dispatcher(tmp_path, slots=1, budget=budget)
    later.meter.gpus = 3600.0 / 3650.0 * 1.001
    assert later.meter.limit
    later.meter.gpus = 3600.0 / 3650.0 * 0.999
    assert later.meter.limit is None


def test_a_trial_that_kills_its_workers_is_given_up(tmp_path: Path) -> None:
    each = dispatcher(tmp_path, slots=1)
    keys = []
    for _ in range(MAX_CRASHES):
        assignment = each.next()
        assert assignment is not None
        keys.append(assignment.key)
        each.worker_lost(assignment.key, "segmentation fault")
    assert len(set(keys)) == 1
    record = each.ledger.trial(keys[0])
    assert record.outcome is Outcome.FAILED
    assert record.reason == f"segmentation fault ({MAX_CRASHES} times in a row)"
    assert record.detail == "segmentation fault"
    drain(each)
    assert outcomes(each.ledger.trials()) == {"failed": 1, "completed": 7}


def test_what_hangs_is_given_up_sooner_with_its_stack(tmp_path: Path) -> None:
    each = dispatcher(tmp_path, slots=1)
    for _ in range(MAX_STALLS):
        assignment = each.next()
        assert assignment is not None
        each.worker_lost(assignment.key, "no evaluation within 60 minutes", "the stack", stalled=True)
    record = each.ledger.trials()[0]
    assert (record.outcome, record.detail) == (Outcome.FAILED, "the stack")


def test_deaths_and_stalls_are_counted_apart(tmp_path: Path) -> None:
    each = dispatcher(tmp_path, slots=1)
    for stalled in (False, True, False):
        assignment = each.next()
        assert assignment is not None
        each.worker_lost(assignment.key, "gone", stalled=stalled)
    assert each.ledger.trials()[0].outcome is Outcome.INTERRUPTED
    drain(each)
    assert outcomes(each.ledger.trials()) == {"completed": 8}


def test_losses_with_a_report_in_between_do_not_add_up(tmp_path: Path) -> None:
    each = dispatcher(tmp_path, slots=1)
    for upto in [0] * (MAX_CRASHES - 1) + [2] + [0] * (MAX_CRASHES - 2):
        assignment = each.next()
        assert assignment is not None
        if upto:
            work(each, assignment, upto=upto)
        each.worker_lost(assignment.key, "the node was taken away")
    record = each.ledger.trials()[0]
    assert (record.outcome, record.attempts) == (Outcome.INTERRUPTED, 2 * MAX_CRASHES - 2)
    drain(each)
    assert outcomes(each.ledger.trials()) == {"completed": 8}


def test_a_cell_whose_trials_keep_failing_is_given_up_and_the_others_continue(tmp_path: Path) -> None:
    def fail(assignment: Assignment, each: Dispatcher) -> None:
        each.record(
            assignment.key,
            Evaluation(draw=0, replicate=0, point=1, step=0, outcome=Outcome.FAILED, reason="no such kernel"),
        )

    each = dispatcher(tmp_path, slots=1, budget={"failures": 2})
    while (assignment := each.next()) is not None:
        fail(assignment, each) if assignment.config.method == "soft_triple" else work(each, assignment)
    assert each.exhausted
    assert not each.unfinished
    assert [each.trials(cell) for cell in each.cells] == [4, 2]
    assert outcomes(each.ledger.trials()) == {"completed": 4, "failed": 2}
    assert dispatcher(tmp_path, budget={"failures": 2}).exhausted
    more = dispatcher(tmp_path, budget={"failures": 3})
    drain(more)
    assert outcomes(more.ledger.trials()) == {"completed": 6, "failed": 2}


def test_a_cell_that_is_given_up_stays_so_whatever_comes_of_trials_that_ran_beside(tmp_path: Path) -> None:
    """The same command on a sweep that has ended does nothing."""
    one_cell: dict[str, Any] = {
        "compare": {"dataset": ["support"], "shots": [4], "loss": ["soft_triple"]},
        "budget": {"failures": 2, "trials_per_cell": 8},
    }
    each = dispatcher(tmp_path, slots=3, **one_cell)
    first, second, beside = handed_out(each, 3)
    for one in (first, second):
        each.record(one.key, replace(evaluated(0, 1, 0.0), metrics={}, outcome=Outcome.FAILED, reason="no such kernel"))
    work(each, beside)
    assert each.exhausted
    assert each.next() is None
    later = dispatcher(tmp_path, slots=3, **one_cell)
    assert later.exhausted
    assert later.next() is None
    assert not dispatcher(tmp_path, slots=3, **{**one_cell, "budget": {"failures": 3}}).exhausted


def test_a_cell_that_is_good_enough_is_searched_no_further(tmp_path: Path) -> None:
    each = dispatcher(tmp_path, slots=1, budget={"target_score": 0.001})
    drain(each)
    assert each.exhausted
    assert outcomes(each.ledger.trials()) == {"completed": 2}
    assert dispatcher(tmp_path, budget={"target_score": 0.001}).exhausted


@pytest.mark.lengthy
def test_a_search_that_is_no_longer_worthwhile_ends_and_is_confirmed(tmp_path: Path) -> None:
    """Configurations that are equally good but for the noise of their draws: after eight of sixteen it is enough, and
    the next run of the sweep decides the same."""
    changes: dict[str, Any] = {"budget": {"trials_per_cell": 16, "stop": "worthwhile"}, "confirm": {"draws": 20}}
    each = dispatcher(tmp_path, slots=100, **changes)
    confirmed = 0
    while (assignment := each.next()) is not None:
        confirmed += assignment.draws is not None
        for replicate, evaluation in product(range(2), (1, 2)) if assignment.draws is None else ():
            noise = random.Random(f"{assignment.key} {replicate}").uniform(-0.05, 0.05)
            each.record(assignment.key, evaluated(replicate, evaluation, 0.6 + noise))
    assert confirmed == 2 * (20 + 4)
    assert Counter(record.cell for record in each.ledger.trials()) == {cell.key: 8 for cell in each.cells}
    assert [each.trials(cell) for cell in each.cells] == [8, 8]
    again = dispatcher(tmp_path, slots=1, **changes).next()
    assert again is not None
    assert again.part == "test", "no further trial"
    never = dispatcher(tmp_path, slots=1, budget={"trials_per_cell": 16}, confirm={"draws": 20})
    assert [never.trials(cell) for cell in never.cells] == [16, 16], "the spec asks for all of them"


def test_replicates_may_be_limited_over_all_runs(tmp_path: Path) -> None:
    each = dispatcher(tmp_path, slots=1, budget={"total_replicates": 5})
    drain(each)
    assert each.exhausted
    assert each.unfinished
    assert str(each.meter.limit) == "the budget of 5 replicates"
    each.interrupt(f"{each.meter.limit} is used up")
    assert outcomes(each.ledger.trials()) == {"completed": 2, "interrupted": 1}
    assert dispatcher(tmp_path, budget={"total_replicates": 5}).next() is None
    more = dispatcher(tmp_path, budget={"total_replicates": 16})
    drain(more)
    assert outcomes(more.ledger.trials()) == {"completed": 8}
    assert not more.unfinished


FROZEN: dict[str, Any] = {
    "compare": {"dataset": ["support"], "shots": [4], "recipe": ["frozen"], "loss": None},
    "protocol": {"replicates": 3, "evaluations": 2, "steps": 4},
}


def test_a_replicate_that_is_given_up_counts_for_this_run_as_for_the_next(tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "compare": {"dataset": ["support"], "shots": [4], "loss": ["soft_triple"]},
        "budget": {"trials_per_cell": 1},
        "confirm": {"draws": 2, "reseeded": 0},
    }
    each = dispatcher(tmp_path, slots=1, **changes)
    work(each, handed_out(each, 1)[0])
    for _ in range(MAX_CRASHES):
        each.worker_lost(handed_out(each, 1)[0].key, "node died", running=1.0)
    assert each.meter._replicates == dispatcher(tmp_path, slots=1, **changes).meter._replicates == 3


def test_a_recipe_without_steps_has_one_evaluation_for_each_replicate(tmp_path: Path) -> None:
    """Whatever `protocol.evaluations` says, which is of the recipes that have steps."""
    each = dispatcher(tmp_path, slots=1, budget={"total_replicates": 4, "gpu_hours": 1.0}, **FROZEN)
    assignment = each.next()
    assert assignment is not None
    assert [each.record(assignment.key, evaluated(number, 1, 0.5)) for number in range(3)] == [False, False, True]
    assert [found.number for found in each.ledger.trial(assignment.key).evaluations] == [1, 2, 3]
    assert each.meter.limit is None
    later = each.next()
    assert later is not None
    assert each.record(later.key, evaluated(0, 1, 0.5))
    assert str(each.meter.limit) == "the budget of 4 replicates"
    resumed = dispatcher(tmp_path, budget={"total_replicates": 5}, **FROZEN)
    assert resumed.meter.limit is None, "4 are on record"
    again = resumed.next()
    assert again is not None
    assert (again.key, again.first) == (later.key, 1)


def test_rungs_of_a_recipe_without_steps_stand_between_its_replicates(tmp_path: Path) -> None:
    each = dispatcher(tmp_path, slots=1, pruning={"rule": "asha", "reduction_factor": 2}, **FROZEN)
    for quality, ends in ((0.9, [False, False, True]), (0.5, [True])):
        assignment = each.next()
        assert assignment is not None
        assert [each.record(assignment.key, evaluated(number, 1, quality)) for number in range(len(ends))] == ends
    assert outcomes(each.ledger.trials()) == {"completed": 1, "pruned": 1}


def test_gpu_hours_count_training_and_scoring_on_gpus_alone(tmp_path: Path) -> None:
    each = dispatcher(tmp_path, slots=1, budget={"gpu_hours": 0.5})
    assignment = each.next()
    assert assignment is not None
    slow = evaluated(0, 1, 0.5)
    metrics = {**slow.metrics, "train_seconds": 1800.0, "eval_seconds": 1800.0}
    assert not each.record(assignment.key, replace(slow, metrics=metrics))  # a CPU has used no GPU-hours
    each.meter.gpus = 0.5
    assert str(each.meter.limit) == "the budget of 0.5 GPU-hours"
    assert each.record(assignment.key, evaluated(0, 2, 0.5))
    assert each.ledger.trial(assignment.key).reason == "the budget of 0.5 GPU-hours is used up"
    later = dispatcher(tmp_path, budget={"gpu_hours": 0.5})
    later.meter.gpus = 1.0
    assert later.exhausted


def test_a_gentle_stop_lets_the_replicates_that_run_end(tmp_path: Path) -> None:
    each = dispatcher(tmp_path, slots=2)
    first, second = handed_out(each, 2)
    each.drain()
    assert each.next() is None
    assert not each.record(first.key, evaluated(0, 1, 0.5))
    assert each.record(first.key, evaluated(0, 2, 0.5))
    work(each, second)
    assert outcomes(each.ledger.trials()) == {"interrupted": 2}
    assert all(len(record.replicate_scores) == 1 for record in each.ledger.trials())
    assert each.exhausted


def test_losing_a_trial_that_has_ended_changes_nothing(tmp_path: Path) -> None:
    each = dispatcher(tmp_path, slots=1)
    assignment = each.next()
    assert assignment is not None
    work(each, assignment)
    each.worker_lost(assignment.key, "too late")
    assert each.ledger.trial(assignment.key).outcome is Outcome.COMPLETED


@pytest.mark.parametrize("outcome", [Outcome.DIVERGED, Outcome.FAILED])
def test_what_a_worker_says_about_its_end_is_recorded(tmp_path: Path, outcome: Outcome) -> None:
    each = dispatcher(tmp_path, slots=1)
    assignment = each.next()
    assert assignment is not None
    last = Evaluation(draw=0, replicate=0, point=1, step=1, outcome=outcome, reason="nan at step 1", detail="trace")
    assert each.record(assignment.key, last)
    record = each.ledger.trial(assignment.key)
    assert (record.outcome, record.reason, record.detail) == (outcome, "nan at step 1", "trace")


def test_bad_trials_are_pruned_and_named(tmp_path: Path) -> None:
    each = dispatcher(
        tmp_path, slots=1, budget={"trials_per_cell": 12}, pruning={"rule": "asha", "reduction_factor": 2}
    )
    drain(each)
    pruned = [record for record in each.ledger.trials() if record.outcome is Outcome.PRUNED]
    assert 4 <= len(pruned) <= 20
    assert all(record.reason.startswith("not among the best of its cell at evaluation") for record in pruned)
    assert all(len(record.evaluations) < 4 for record in pruned)
    for cell in each.cells:  # the best of a cell is never pruned
        own = [record for record in each.ledger.trials() if record.cell == cell.key]
        best = max(own, key=lambda record: record.score or 0)
        assert best.outcome is Outcome.COMPLETED


def scored_at_rung(path: Path, scores: list[float]) -> tuple[Dispatcher, list[str]]:
    """A dispatcher whose only cell has a trial with each of these scores at its rung, all of which continue."""
    each = dispatcher(path, slots=len(scores), **RUNG)
    keys = [one.key for one in handed_out(each, len(scores))]
    for key, score in zip(keys, scores, strict=True):
        each.record(key, evaluated(0, 1, score))
        assert not each.record(key, evaluated(0, 2, score)), "each is the best until then"
    return each, keys


RUNG: dict[str, Any] = {
    "compare": {"dataset": ["support"], "shots": [4], "loss": ["soft_triple"]},
    "budget": {"trials_per_cell": 4},
    "pruning": {"rule": "asha", "reduction_factor": 2, "rungs": [2]},
}


@pytest.mark.parametrize("stopped", [True, False], ids=["stopped gently", "killed"])
def test_a_run_that_resumes_prunes_none_that_had_passed_its_rung(tmp_path: Path, stopped: bool) -> None:
    each, keys = scored_at_rung(tmp_path, [0.2, 0.4, 0.6, 0.8])
    if stopped:
        each.interrupt("the sweep was stopped")
    later = dispatcher(tmp_path, slots=4, **RUNG)
    assert {record.key for record in later.ledger.trials() if record.outcome is Outcome.INTERRUPTED} == set(keys)
    assert {one.key for one in handed_out(later, len(keys))} == set(keys)
    assert not later.record(keys[0], evaluated(0, 2, 0.2)), "the same evaluation again"


def test_a_run_that_resumes_prunes_what_its_driver_died_over(tmp_path: Path) -> None:
    each, keys = scored_at_rung(tmp_path, [0.8, 0.9])
    each.join(3, 0)
    (third,) = handed_out(each, 1)
    each.record(third.key, evaluated(0, 1, 0.1))
    each.ledger.record(third.key, evaluated(0, 2, 0.1))  # what followed from it was not recorded
    later = dispatcher(tmp_path, slots=4, **RUNG)
    assert later.ledger.trial(third.key).outcome is Outcome.PRUNED
    assert {later.ledger.trial(key).outcome for key in keys} == {Outcome.INTERRUPTED}


def test_a_clock_that_is_set_back_hides_no_scores_from_a_rung(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    each, keys = scored_at_rung(tmp_path, [0.7, 0.8, 0.9])
    each.join(4, 0)
    (fourth,) = handed_out(each, 1)
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now - 3600)
    assert not each.record(fourth.key, evaluated(0, 1, 0.1))
    assert each.record(fourth.key, evaluated(0, 2, 0.1)), "three others were better at that rung"
    times = [one.time for key in (*keys, fourth.key) for one in each.ledger.trial(key).evaluations]
    assert times == sorted(set(times))
    each.worker_lost(keys[2], "node died", running=1.0)
    later = dispatcher(tmp_path, slots=4, **RUNG)
    assert later.ledger.trial(fourth.key).outcome is Outcome.PRUNED
    assert later.meter._seconds == pytest.approx(each.meter._seconds)


def test_a_run_that_resumes_keeps_the_traceback_of_a_failure(tmp_path: Path) -> None:
    each = dispatcher(tmp_path, slots=1)
    (only,) = handed_out(each, 1)
    failure: dict[str, Any] = {
        "outcome": Outcome.FAILED,
        "reason": "no such kernel",
        "detail": "Traceback: in train.py",
    }
    each.ledger.record(only.key, replace(evaluated(0, 1, 0.0), metrics={}, **failure))  # its driver died over it
    found = dispatcher(tmp_path).ledger.trial(only.key)
    assert (found.outcome, found.reason, found.detail) == tuple(failure.values())


def test_what_no_worker_has_begun_is_taken_back(tmp_path: Path) -> None:
    each = dispatcher(tmp_path, slots=2)
    first, second = handed_out(each, 2)
    each.drain()
    assert each.ending
    each.withdraw(second.key)
    each.withdraw("no trial")
    assert each.running == {first.key}
    assert each.ledger.trial(second.key).outcome is Outcome.INTERRUPTED
    assert not each.ledger.trial(second.key).discarded, "nothing was trained"
    work(each, first)
    later = dispatcher(tmp_path)
    drain(later)
    assert outcomes(later.ledger.trials()) == {"completed": 8}


def test_the_time_budget_interrupts_and_a_later_run_continues(tmp_path: Path) -> None:
    now = [0.0]
    each = dispatcher(tmp_path, slots=1, clock=lambda: now[0], budget={"hours": 1})
    assignment = each.next()
    assert assignment is not None
    now[0] = 3601.0
    assert each.exhausted
    assert each.next() is None
    assert each.record(assignment.key, evaluated(0, 1, 0.5))
    assert each.ledger.trial(assignment.key).outcome is Outcome.INTERRUPTED
    later = dispatcher(tmp_path, budget={"hours": 1})
    drain(later)
    assert outcomes(later.ledger.trials()) == {"completed": 8}


def test_stopping_closes_what_runs(tmp_path: Path) -> None:
    each = dispatcher(tmp_path, slots=2)
    first, second = handed_out(each, 2)
    each.interrupt("Ctrl-C")
    assert {each.ledger.trial(a.key).outcome for a in (first, second)} == {Outcome.INTERRUPTED}
    assert each.exhausted


def test_raising_the_budget_adds_just_the_difference(tmp_path: Path) -> None:
    drain(dispatcher(tmp_path))
    before = dispatcher(tmp_path)
    assert before.exhausted
    kept = before.ledger.trials()
    more = dispatcher(tmp_path, budget={"trials_per_cell": 6})
    drain(more)
    assert len(more.ledger.trials()) == 12
    assert {record.key: record for record in more.ledger.trials()}.items() >= {
        record.key: record for record in kept
    }.items()


def test_a_driver_may_die_at_any_moment(tmp_path: Path) -> None:
    """Drivers die after a random number of reports, in one slot. The end is the same as without any death."""
    pruning = {"rule": "asha", "reduction_factor": 2}
    (tmp_path / "a").mkdir()
    undisturbed = dispatcher(tmp_path / "a", slots=1, pruning=pruning)
    drain(undisturbed)
    (tmp_path / "b").mkdir()
    generator = random.Random(7)
    for _ in range(200):
        each = dispatcher(tmp_path / "b", slots=1, pruning=pruning)
        if each.exhausted:
            break
        for _ in range(generator.randrange(3)):
            if (assignment := each.next()) is not None:
                work(each, assignment)
        if (assignment := each.next()) is not None:
            work(each, assignment, upto=generator.randrange(4))  # and dies: nothing is closed
    ends = [
        [
            (record.key, record.params, record.outcome, record.score, len(record.evaluations))
            for record in each.ledger.trials()
        ]
        for each in (undisturbed, dispatcher(tmp_path / "b", slots=1, pruning=pruning))
    ]
    assert sorted(ends[0], key=str) == sorted(ends[1], key=str)
