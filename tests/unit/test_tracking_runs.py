"""What the runs of a sweep and of its trials must look like."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sweep.records.confirmation import Role
from sweep.records.sweep import SweepState
from sweep.tracking.runs import run_key, run_of, sweep_run
from tests.sweeps.memory_ledger import BEGAN, MemoryLedger, complete
from tests.sweeps.synthetic_results import synthetic_results
from trainable.confidences import Confidences
from trainable.config import TrialConfig
from trainable.outcomes import Outcome
from trainable.recipes import RECIPES, SPECIFIC_FIELDS

CELL = "support/4/soft_triple"


def test_a_trial_shows_its_place_configuration_and_end() -> None:
    ledger = MemoryLedger()
    key = ledger.ask(encoder_lr=3e-5)
    ledger.record(key, 0.5)
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
        "sweep.reports": "1",
        "sweep.outcome": "pruned",
        "sweep.reason": "below the rung at report 1",
    }
    assert (run.started, run.ended) == (1000 * (BEGAN + 1), 1000 * (BEGAN + 3))
    assert run.params["loss"] == "soft_triple"
    assert run.params["encoder_lr"] == "3e-05"
    assert "head_lr" not in run.params
    assert "None" not in run.params.values()


def test_names_of_runs_are_no_longer_than_a_store_takes() -> None:
    """Postgres refused the run of every trial of a cell with a long name; the tag has the whole cell."""
    ledger, cell = MemoryLedger(), f"{CELL}/encoder=sentence-transformers/{'x' * 120}"
    key = complete(ledger, 0.5, cell=cell)
    ledger.confirm(key, 0.5)
    for record in (ledger.trial(key), ledger.confirmations()[0]):
        run = run_of(record, ledger.sweep(), "parent")
        assert len(run.name) == 250
        assert f"soft_triple encoder=sentence-transformers/{'x' * 120} #0 of {CELL}/enc" in run.name
        assert run.tags["sweep.cell"] == cell


def test_a_trial_shows_what_trained_it() -> None:
    ledger = MemoryLedger()
    key = ledger.ask()
    kinds = ("NVIDIA L4 (bf16)", "NVIDIA A10G (bf16)", "NVIDIA L4 (bf16)", "")
    for _ in kinds:
        ledger.record(key, 0.5)
    record = ledger.trial(key)
    seen = (
        replace(each, evaluation=replace(each.evaluation, trained_on=kind))
        for each, kind in zip(record.evaluations, kinds, strict=True)
    )
    run = run_of(replace(record, evaluations=tuple(seen)), ledger.sweep(), "parent")
    assert run.tags["sweep.trained_on"] == "NVIDIA A10G (bf16); NVIDIA L4 (bf16)"


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


def test_the_sweep_shows_spec_and_facts() -> None:
    ledger = MemoryLedger()
    ledger.end(SweepState.INTERRUPTED)
    run = sweep_run(ledger.sweep(), 3)
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
        "sweep.reports": "3",
        "git_commit": "abc123",
        "mlflow.source.git.commit": "abc123",
        "version.ray": "2.60.0",
        "spec.compare.loss": "soft_triple",
        "spec.budget.trials_per_cell": "4",
    }
    assert expected.items() <= run.tags.items()
    assert "trials_per_cell: 4" in run.texts["spec.yaml"]
    assert "s3cret" not in run.texts["spec.yaml"]


def test_runs_are_known_by_role_cell_and_number() -> None:
    ledger = MemoryLedger()
    key = ledger.ask()
    assert run_key(sweep_run(ledger.sweep(), 0).tags) == ("sweep", None)
    assert run_key(run_of(ledger.trial(key), ledger.sweep(), "parent").tags) == ("trial", key)
    assert run_key({"mlflow.runName": "a stranger"}) == ("", None)


def test_arms_of_other_axes_are_told_apart_by_the_beginning_of_a_name() -> None:
    ledger = MemoryLedger()
    record = replace(ledger.trial(ledger.ask()), cell=f"{CELL}/encoder=tiny/beta=0.5")
    run = run_of(record, ledger.sweep(), "parent")
    assert run.name == f"soft_triple encoder=tiny/beta=0.5 #0 of {CELL}/encoder=tiny/beta=0.5"


def test_a_frozen_encoder_shows_its_fields_and_none_of_a_training() -> None:
    ledger = MemoryLedger()
    known = ledger.trial(ledger.ask())
    own = {"name": "frozen", "head": "linear_svm", "C": 10.0, "normalise": False}
    data = {"dataset": {"name": "support"}, "shots": 4, "encoder": "tiny", "recipe": own}
    record = replace(known, config=TrialConfig.model_validate(data))
    run = run_of(record, ledger.sweep(), "parent")
    assert run.name.startswith("frozen #0 of ")
    expected = {"recipe": "frozen", "recipe.head": "linear_svm", "recipe.C": "10.0", "recipe.normalise": "False"}
    assert expected.items() <= run.params.items()
    assert not (SPECIFIC_FIELDS - RECIPES["frozen"].fields) & set(run.params)
    assert TrialConfig.from_flat(run.params) == record.config


def test_a_confirmation_shows_whose_it_is_and_can_be_replayed() -> None:
    ledger = MemoryLedger()
    ledger.confirm(complete(ledger, 0.5), 0.5, 0.75, outcome=Outcome.COMPLETED)
    (record,) = ledger.confirmations()
    run = run_of(record, ledger.sweep(), "parent")
    assert run.name == f"confirmation: soft_triple #0 of {CELL}"
    expected = {
        "mlflow.parentRunId": "parent",
        "sweep.role": "confirmation",
        "sweep.cell": CELL,
        "sweep.trial": "0",
        "sweep.confirmation": "0",
        "sweep.reports": "2",
        "sweep.outcome": "completed",
    }
    assert expected.items() <= run.tags.items()
    assert TrialConfig.from_flat(run.params) == record.config
    assert (run.status, run.texts) == ("FINISHED", {})
    assert run_key(run.tags) == ("confirmation", record.key)


def test_a_confirmation_tells_which_of_its_replicates_failed_and_why() -> None:
    ledger = MemoryLedger()
    ledger.confirm(complete(ledger, 0.5), 0.5, 0.75, 0.25, reseeded=1)
    (record,) = ledger.confirmations()
    ends: dict[int, dict[str, Any]] = {
        1: {"outcome": Outcome.FAILED, "reason": "no memory", "detail": "Traceback\n  at http://ann:s3cret@host"},
        2: {"outcome": Outcome.FAILED, "reason": "its worker died"},
    }
    replicates = tuple(
        replace(each, evaluation=replace(each.evaluation, **ends.get(number, {})))
        for number, each in enumerate(record.replicates)
    )
    first = replicates[0].evaluation.draw
    run = run_of(replace(record, replicates=replicates), ledger.sweep(), "parent")
    assert run.texts["failure.txt"] == (
        f"draw {first + 1}, initialisation 0: no memory\nTraceback\n  at http://***@host\n\n"
        f"draw {first}, initialisation 1: its worker died"
    )


def test_a_confirmation_that_ended_shows_what_it_predicted() -> None:
    results = synthetic_results(datasets=("trec",), losses=("cross_entropy", "supcon"), draws=2, trials=1)
    record = next(each for each in results.confirmations if each.role is Role.CONFIRMATION)
    shown = json.loads(run_of(record, results.sweep, "parent").texts["predictions.json"])
    data = results.sweep.data["trec"]
    assert data.labels is not None
    assert (tuple(shown["classes"]), shown["labels"]) == (data.class_names, data.labels.judged.tolist())
    assert len(shown["draws"]) == len(record.replicates)
    first = min(record.replicates, key=lambda each: each.evaluation.draw).evaluation
    assert first.predicted is not None
    assert shown["draws"][0] == {"draw": first.draw, "initialisation": 0, "head": first.predicted.judged.tolist()}
    assert run_of(replace(record, outcome=None), results.sweep, "parent").texts == {}
    replicates = tuple(replace(each, evaluation=replace(each.evaluation, tested=(3, 5))) for each in record.replicates)
    parts = run_of(replace(record, replicates=replicates), results.sweep, "parent").texts["predictions.json"]
    assert [draw["rows"] for draw in json.loads(parts)["draws"]] == [[3, 5]] * len(record.replicates)


def test_a_confirmation_that_ended_shows_how_sure_it_was() -> None:
    results = synthetic_results(datasets=("trec",), losses=("cross_entropy", "supcon"), draws=2, trials=1)
    record = next(each for each in results.confirmations if each.role is Role.CONFIRMATION)
    assert "confidences.json" not in run_of(record, results.sweep, "parent").texts, "as of sweeps of before"
    labels = results.sweep.data["trec"].labels
    assert labels is not None
    kept = Confidences.of(np.eye(6)[labels.judged], labels.judged, temperature=0.5)
    replicates = tuple(
        replace(each, evaluation=replace(each.evaluation, confidences=kept)) for each in record.replicates
    )
    shown = json.loads(
        run_of(replace(record, replicates=replicates), results.sweep, "parent").texts["confidences.json"]
    )
    assert shown["labels"] == labels.judged.tolist()
    assert [draw["temperature"] for draw in shown["draws"]] == [0.5] * len(replicates)
    first = shown["draws"][0]
    assert len(first["confidence"]) == len(labels.judged)
    assert first["confidence"][0] == pytest.approx(np.e / (np.e + 5), abs=1e-4)
    assert first["tempered_true"][0] == pytest.approx(np.e**2 / (np.e**2 + 5), abs=1e-4)
