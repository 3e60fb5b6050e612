"""What the runs of a sweep and of its trials must look like."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sweep.records import ConfirmationRecord
from sweep.tracking.runs import points, reports, run_key, run_of, summary, sweep_run
from tests.sweep_record import BEGAN, MemoryLedger, complete
from trainable.config import TrialConfig
from trainable.reports import Outcome

CELL = "support/4/soft_triple"


def test_a_trial_shows_its_place_configuration_and_end() -> None:
    ledger = MemoryLedger()
    key = ledger.ask(encoder_lr=3e-5)
    ledger.report(key, 0.5)
    ledger.finish(key, Outcome.PRUNED, "below the rung at report 1")
    run = run_of(ledger.trial(key), ledger.sweep(), "parent")
    assert run.name == f"{CELL.split('/')[2]} #0 of {CELL}"
    assert run.tags == {
        "mlflow.parentRunId": "parent",
        "sweep.role": "trial",
        "sweep.name": "demo",
        "sweep.id": "5f2c",
        "sweep.cell": CELL,
        "sweep.trial": "0",
        "sweep.attempts": "1",
        "sweep.outcome": "pruned",
        "sweep.reason": "below the rung at report 1",
    }
    assert (run.started, run.ended) == (1000 * (BEGAN + 1), 1000 * (BEGAN + 3))
    assert run.params["loss"] == "soft_triple"
    assert run.params["encoder_lr"] == "3e-05"
    assert "head_lr" not in run.params
    assert "None" not in run.params.values()


def test_a_trial_can_be_replayed_from_its_parameters() -> None:
    ledger = MemoryLedger()
    record = ledger.trial(ledger.ask(loss={"name": "soft_triple", "margin": 0.1}, encoder_lr=1.2345678901234567e-5))
    assert TrialConfig.from_flat(run_of(record, ledger.sweep(), "parent").params) == record.config


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome.COMPLETED, "FINISHED"),
        (Outcome.PRUNED, "FINISHED"),
        (Outcome.DIVERGED, "FAILED"),
        (Outcome.FAILED, "FAILED"),
        (Outcome.INTERRUPTED, "KILLED"),
    ],
)
def test_the_status_says_whether_anybody_has_to_act(outcome: Outcome, status: str) -> None:
    ledger = MemoryLedger()
    key = ledger.ask()
    assert run_of(ledger.trial(key), ledger.sweep(), "parent").status == "RUNNING"
    ledger.finish(key, outcome, "reason", "Traceback")
    run = run_of(ledger.trial(key), ledger.sweep(), "parent")
    assert run.status == status
    assert run.texts == ({"failure.txt": "Traceback"} if outcome is Outcome.FAILED else {})


def test_metrics_have_the_number_and_the_time_of_their_report() -> None:
    ledger = MemoryLedger()
    key = ledger.ask()
    ledger.report(key, 0.25, train_loss=2.0)
    ledger.report(key, 0.5, train_loss=1.0)
    assert points(ledger.trial(key), after=1) == [
        ("score", 0.5, 1000 * (BEGAN + 3), 2),
        ("val_accuracy", 0.5, 1000 * (BEGAN + 3), 2),
        ("train_loss", 1.0, 1000 * (BEGAN + 3), 2),
    ]
    assert len(points(ledger.trial(key), after=0)) == 6


def test_a_report_without_metrics_gives_no_points() -> None:
    ledger = MemoryLedger()
    key = ledger.ask()
    ledger.report(key, 0.25)
    record = ledger.trial(key)
    empty = replace(record.reports[0], score=None, report=replace(record.reports[0].report, metrics={}))
    assert points(replace(record, reports=(empty,)), after=0) == []


def test_the_sweep_shows_spec_and_facts() -> None:
    ledger = MemoryLedger()
    ledger.end("interrupted")
    run = sweep_run(ledger.sweep())
    assert (run.name, run.status, run.ended) == ("demo", "KILLED", 1000 * (BEGAN + 1))
    assert run.params == {
        "trial.encoder": "tiny",
        "protocol.replicates": "2",
        "protocol.evaluations": "2",
        "protocol.steps": "4",
    }
    expected = {
        "sweep.role": "sweep",
        "sweep.id": "5f2c",
        "git_commit": "abc123",
        "mlflow.source.git.commit": "abc123",
        "version.ray": "2.60.0",
        "spec.compare.loss": "soft_triple",
        "spec.budget.trials_per_cell": "4",
    }
    assert expected.items() <= run.tags.items()
    assert "trials_per_cell: 4" in run.texts["spec.yaml"]
    assert "s3cret" not in run.texts["spec.yaml"]


def test_the_summary_counts_outcomes_and_takes_the_best_completed_score() -> None:
    ledger = MemoryLedger()
    complete(ledger, 0.5, 0.7)
    complete(ledger, 0.9, 0.6)
    ledger.finish(ledger.ask(), Outcome.INTERRUPTED)
    pruned = ledger.ask()
    ledger.report(pruned, 0.99)
    ledger.finish(pruned, Outcome.PRUNED)
    ledger.ask()
    values = {point.name: (point.value, point.step) for point in summary(ledger.trials(), now=BEGAN)}
    assert values == {
        "trials/completed": (2, 3),
        "trials/pruned": (1, 3),
        "trials/diverged": (0, 3),
        "trials/failed": (0, 3),
        "trials/interrupted": (1, 3),
        f"best_score/{CELL}": (0.7, 3),
    }


@pytest.mark.parametrize(
    ("cell", "name"),
    [("SetFit/subj/4/supcon", "SetFit/subj/4/supcon"), ("a(b)/../4//x", "a_b_/_/4/_/x"), ("ü=1/4", "ü_1/4")],
)
def test_names_of_metrics_are_legal(cell: str, name: str) -> None:
    ledger = MemoryLedger()
    complete(ledger, 0.5, cell=cell)
    assert summary(ledger.trials(), now=0)[-1].name == f"best_score/{name}"


def test_runs_are_known_by_role_cell_and_number() -> None:
    ledger = MemoryLedger()
    key = ledger.ask()
    assert run_key(sweep_run(ledger.sweep()).tags) == ("sweep", None)
    assert run_key(run_of(ledger.trial(key), ledger.sweep(), "parent").tags) == ("trial", key)
    assert run_key({"mlflow.runName": "a stranger"}) == ("", None)


def confirmed(ledger: MemoryLedger, *scores: float, reseeded: int = 0) -> ConfirmationRecord:
    key = ledger.confirm(complete(ledger, 0.5), *scores, reseeded=reseeded, outcome=Outcome.COMPLETED)
    return next(record for record in ledger.confirmations() if record.key == key)


def test_a_confirmation_shows_whose_it_is_and_can_be_replayed() -> None:
    ledger = MemoryLedger()
    record = confirmed(ledger, 0.5, 0.75)
    run = run_of(record, ledger.sweep(), "parent")
    assert run.name == f"confirmation: soft_triple #0 of {CELL}"
    expected = {
        "mlflow.parentRunId": "parent",
        "sweep.role": "confirmation",
        "sweep.cell": CELL,
        "sweep.trial": "0",
        "sweep.confirmation": "0",
        "sweep.outcome": "completed",
    }
    assert expected.items() <= run.tags.items()
    assert TrialConfig.from_flat(run.params) == record.config
    assert run.status == "FINISHED"
    assert run_key(run.tags) == ("confirmation", record.key)


def test_metrics_of_a_confirmation_have_one_step_a_draw_and_a_mean() -> None:
    record = confirmed(MemoryLedger(), 0.5, 0.75, 0.25, reseeded=1)
    values = {(point.name, point.step): point.value for point in points(record, after=0)}
    assert values == {
        ("test_accuracy", 0): 0.5,
        ("test_accuracy", 1): 0.75,
        ("reseeded_test_accuracy", 0): 0.25,
        ("mean_test_accuracy", 3): 0.625,
    }
    assert reports(record) == 3
    later = {(point.name, point.step) for point in points(record, after=2)}
    assert later == {("reseeded_test_accuracy", 0), ("mean_test_accuracy", 3)}
    assert points(record, after=3) == []


def test_the_summary_has_the_mean_test_score_of_each_winner() -> None:
    ledger = MemoryLedger()
    confirmed(ledger, 0.5, 0.75)
    values = {point.name: point.value for point in summary(ledger.trials(), ledger.confirmations(), now=0)}
    assert values[f"confirmed/{CELL}"] == 0.625
