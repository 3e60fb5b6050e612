"""The metrics of runs: a function of the records, in however many parts they are pushed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sweep.records.confirmation import ConfirmationRecord
from sweep.records.sweep import DataRecord
from sweep.tracking.metrics import Point, current_state, ended, num_evaluations, points, progress
from tests.sweeps.memory_ledger import BEGAN, MemoryLedger, complete
from trainable.outcomes import Outcome

CELL = "support/4/soft_triple"


def test_metrics_have_the_number_and_the_time_of_their_report() -> None:
    ledger = MemoryLedger()
    key = ledger.ask()
    ledger.record(key, 0.25, train_loss=2.0)
    ledger.record(key, 0.5, train_loss=1.0)
    assert points(ledger.trial(key), after=1) == [
        ("score", 0.5, 1000 * (BEGAN + 3), 2),
        ("val_accuracy", 0.5, 1000 * (BEGAN + 3), 2),
        ("train_loss", 1.0, 1000 * (BEGAN + 3), 2),
    ]
    assert len(points(ledger.trial(key), after=0)) == 6


def test_a_report_without_metrics_gives_no_points() -> None:
    ledger = MemoryLedger()
    key = ledger.ask()
    assert num_evaluations(ledger.trial(key)) == 0
    ledger.record(key, 0.25)
    record = ledger.trial(key)
    empty = replace(record.evaluations[0], score=None, evaluation=replace(record.evaluations[0].evaluation, metrics={}))
    assert points(replace(record, evaluations=(empty,)), after=0) == []


def confirmed(ledger: MemoryLedger, *scores: float, reseeded: int = 0) -> ConfirmationRecord:
    ledger.confirm(complete(ledger, 0.5), *scores, reseeded=reseeded, outcome=Outcome.COMPLETED)
    return ledger.confirmations()[-1]


def test_metrics_of_a_confirmation_have_one_step_a_draw_and_the_means_so_far() -> None:
    record = confirmed(MemoryLedger(), 0.5, 0.75, 0.25, reseeded=1)
    values = {(point.name, point.step): point.value for point in points(record, after=0)}
    assert values == {
        ("test_accuracy", 0): 0.5,
        ("test_accuracy", 1): 0.75,
        ("reseeded_test_accuracy", 0): 0.25,
        ("mean_test_accuracy", 1): 0.5,
        ("mean_test_accuracy", 2): 0.625,
    }
    assert num_evaluations(record) == 3
    assert points(record, after=3) == []


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_points_pushed_in_parts_are_those_pushed_at_once(cut: int) -> None:
    record = confirmed(MemoryLedger(), 0.5, 0.75, 0.25, 1.0, reseeded=1)
    part = replace(record, replicates=record.replicates[:cut], outcome=None)
    assert sorted(points(part, after=0) + points(record, after=num_evaluations(part))) == sorted(
        points(record, after=0)
    )


def test_progress_counts_outcomes_and_follows_the_best_completed_score() -> None:
    ledger = MemoryLedger()
    late = ledger.ask()
    complete(ledger, 0.5, 0.7)
    complete(ledger, 0.9, 0.6)
    ledger.finish(ledger.ask(), Outcome.INTERRUPTED)
    ledger.record(late, 0.99)
    ledger.finish(late, Outcome.PRUNED)
    ledger.ask()
    trials = ended(ledger.trials())
    assert [record.outcome for record in trials] == [Outcome.COMPLETED, Outcome.COMPLETED, Outcome.PRUNED]
    found = [(name, value, step) for name, value, _, step in progress(trials, after=0)]
    assert found == [
        ("trials/completed", 1, 1),
        ("trials/pruned", 0, 1),
        ("trials/diverged", 0, 1),
        ("trials/failed", 0, 1),
        (f"best_score/{CELL}", 0.7, 1),
        ("trials/completed", 2, 2),
        ("trials/pruned", 1, 3),
    ]
    assert progress(trials[:1], after=0) + progress(trials, after=1) == progress(trials, after=0)
    assert [point.time for point in progress(trials, after=2)] == [1000 * (trials[2].ended or 0)]


@pytest.mark.parametrize(
    ("cell", "name"),
    [("SetFit/subj/4/supcon", "SetFit/subj/4/supcon"), ("a(b)/../4//x", "a_b_/_/4/_/x"), ("ü=1/4", "ü_1/4")],
)
def test_names_of_metrics_are_legal(cell: str, name: str) -> None:
    ledger = MemoryLedger()
    complete(ledger, 0.5, cell=cell)
    assert progress(ended(ledger.trials()), after=0)[-1].name == f"best_score/{name}"


def test_a_winner_shows_its_mean_test_score_once_its_confirmation_is_complete() -> None:
    ledger = MemoryLedger()
    record = confirmed(ledger, 0.5, 0.75)
    complete(ledger, 0.5)  # later, so that it does not count
    point = Point(f"confirmed/{CELL}", 0.625, round(1000 * (record.ended or 0)), 1)
    assert current_state(ledger.sweep(), ledger.trials(), [record])[1:] == [point]
    assert current_state(ledger.sweep(), ledger.trials(), [replace(record, outcome=None)])[1:] == []


def test_a_winner_of_which_a_training_diverged_has_the_mean_of_the_verdict() -> None:
    """The training was left out, though the verdict counts it as always answering the majority class."""
    ledger = MemoryLedger()
    record = confirmed(ledger, 0.9, 0.8)
    first, last = record.replicates
    diverged = replace(last, evaluation=replace(last.evaluation, metrics={}, outcome=Outcome.DIVERGED))
    record = replace(record, replicates=(first, diverged))
    ended_at = round(1000 * (record.ended or 0))
    assert current_state(ledger.sweep(), ledger.trials(), [record])[1:] == [
        (f"confirmed/{CELL}", 0.9, ended_at + 1, 1)  # as long as the data is not known, as in the verdict
    ]
    ledger.describe_data(DataRecord(name="support", class_names=("a", "b"), pool=20, test=10, test_counts=(7, 3)))
    (point,) = current_state(ledger.sweep(), ledger.trials(), [record])[1:]
    assert point.value == pytest.approx((0.9 + 0.7) / 2)
    assert point.time == ended_at + 1, "later than what versions before have stored, which is larger"


def test_interrupted_trials_are_counted_as_they_are_now() -> None:
    ledger = MemoryLedger()
    assert current_state(ledger.sweep(), ledger.trials(), []) == [("trials/interrupted", 0, 1000 * BEGAN, 0)]
    complete(ledger, 0.5)
    ledger.finish(ledger.ask(), Outcome.INTERRUPTED)
    assert current_state(ledger.sweep(), ledger.trials(), []) == [("trials/interrupted", 1, 1000 * (BEGAN + 5), 1)]
