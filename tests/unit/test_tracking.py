"""The projection of a ledger into a SQLite store: contract, recovery, and what users do to runs meanwhile."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sweep.errors import TrackingError
from sweep.records.sweep import DataRecord, SweepState
from sweep.tracking import Projection, Tracker, sync
from sweep.tracking.store import open_client
from tests.services.waiting import wait_until
from tests.sweeps.memory_ledger import BEGAN, MemoryLedger, complete, migrated_database
from trainable.config import TrialConfig
from trainable.outcomes import Outcome

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

CELL = "support/4/soft_triple"

pytestmark = pytest.mark.slow  # all of them push to a migrated database


@pytest.fixture
def uri(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)  # where a SQLite store keeps its artifacts
    return migrated_database(tmp_path_factory.getbasetemp(), tmp_path / "mlflow.db")


@pytest.fixture
def client(uri: str) -> MlflowClient:
    return open_client(uri)


def pushed(ledger: MemoryLedger, uri: str) -> Projection:
    return sync(ledger, experiment="sweeps", uri=uri)


def all_runs(client: MlflowClient) -> list[Run]:
    """Every active run of every experiment, checked to be in no other experiment than ours."""
    experiments = {found.name: found.experiment_id for found in client.search_experiments()}
    assert not client.search_runs([experiments["Default"]])
    return list(client.search_runs([experiments["sweeps"]]))


def parent_of(client: MlflowClient) -> Run:
    (parent,) = [run for run in all_runs(client) if run.data.tags["sweep.role"] == "sweep"]
    return parent


def trial_of(client: MlflowClient, key: str) -> Run:
    cell, number = key.split("#")
    expected = {"sweep.role": "trial", "sweep.cell": cell, "sweep.trial": number}
    (run,) = [run for run in all_runs(client) if expected.items() <= run.data.tags.items()]
    return run


def history(client: MlflowClient, run: Run, metric: str = "score") -> list[tuple[int, float, int]]:
    return sorted((m.step, m.value, m.timestamp) for m in client.get_metric_history(run.info.run_id, metric))


def curves(client: MlflowClient) -> dict[str, list[tuple[int, float]]]:
    """By metric, step and value of all points of all runs."""
    found: dict[str, list[tuple[int, float]]] = {}
    for run in all_runs(client):
        for name in run.data.metrics:
            found[name] = sorted([*found.get(name, []), *(point[:2] for point in history(client, run, name))])
    return found


def statuses(client: MlflowClient) -> Counter[str]:
    return Counter(run.info.status for run in all_runs(client))


def artifacts(client: MlflowClient, run: Run) -> list[str]:
    return sorted(each.path for each in client.list_artifacts(run.info.run_id))


def overwrite(target: Path, source: Path) -> None:
    """Copy a database over one that is open."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def test_a_finished_sweep_is_there_completely(client: MlflowClient, uri: str) -> None:
    ledger = MemoryLedger()
    keys = [complete(ledger, 0.25, 0.5), complete(ledger, 0.75)]
    ledger.end(SweepState.FINISHED)
    assert str(pushed(ledger, uri)) == "all 2 runs are in MLflow"
    parent = parent_of(client)
    assert (parent.info.run_name, parent.info.status) == ("demo", "FINISHED")
    assert parent.data.metrics["trials/completed"] == 2
    assert parent.data.metrics[f"best_score/{CELL}"] == 0.75
    for key in keys:
        run, record = trial_of(client, key), ledger.trial(key)
        assert (run.info.run_name, run.info.status) == (
            f"{record.config.method} #{record.number} of {CELL}",
            "FINISHED",
        )
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id == ledger.sweep().run_id
        assert run.data.tags["sweep.outcome"] == "completed"
        assert run.info.start_time == 1000 * record.started
        assert run.info.end_time == 1000 * (record.ended or 0)
        assert TrialConfig.from_flat(run.data.params) == record.config
        assert record.run_id == run.info.run_id
    expected = [(1, 0.25, 1000 * (BEGAN + 2)), (2, 0.5, 1000 * (BEGAN + 3))]
    assert history(client, trial_of(client, keys[0])) == expected
    assert history(client, trial_of(client, keys[0]), "val_accuracy") == expected


def test_a_running_trial_is_shown_while_it_runs(
    client: MlflowClient, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.tracking.tracker._PERIOD", 0.02)
    monkeypatch.setattr("sweep.tracking.tracker._UPDATE_PERIOD", 0.0)
    ledger = MemoryLedger()
    with Tracker(ledger, experiment="sweeps", uri=uri, required=True) as tracker:
        key = ledger.ask()
        tracker.notify(key)
        wait_until(lambda: ledger.trial(key).run_id)
        for number in (1, 2):
            ledger.record(key, number / 4)
            tracker.notify(key)
            wait_until(lambda: len(history(client, trial_of(client, key))) == number)  # noqa: B023
        assert trial_of(client, key).info.status == "RUNNING"
        assert parent_of(client).info.status == "RUNNING"
        ledger.finish(key, Outcome.PRUNED, "below the rung")
        ledger.end(SweepState.FINISHED)
    assert {run.info.status for run in all_runs(client)} == {"FINISHED"}
    assert trial_of(client, key).data.tags["sweep.reason"] == "below the rung"


def test_what_nobody_was_notified_of_is_pushed_in_the_end(client: MlflowClient, uri: str) -> None:
    ledger = MemoryLedger()
    tracker = Tracker(ledger, experiment="sweeps", uri=uri, required=True)
    tracker.start()
    key = complete(ledger, 0.5)
    ledger.end(SweepState.FINISHED)
    assert tracker.close(timeout=30) == Projection(pushed=1, missing=0)
    assert trial_of(client, key).info.status == parent_of(client).info.status == "FINISHED"


def test_an_end_that_comes_while_it_starts_in_another_thread_waits_for_it(
    client: MlflowClient, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, opened = threading.Event(), threading.Event()

    def slowly(address: str) -> MlflowClient:
        begun.set()
        opened.wait(10)
        return open_client(address)

    monkeypatch.setattr("sweep.tracking.projector.open_client", slowly)
    ledger = MemoryLedger()
    key = complete(ledger, 0.5)
    ledger.end(SweepState.INTERRUPTED)
    tracker = Tracker(ledger, experiment="sweeps", uri=uri, required=True)
    starting = threading.Thread(target=tracker.start)
    starting.start()
    begun.wait(10)
    threading.Timer(0.2, opened.set).start()
    assert tracker.close(timeout=30) == Projection(pushed=1, missing=0)
    starting.join()
    assert trial_of(client, key).info.status == "FINISHED"


def test_what_was_never_started_says_so(uri: str) -> None:
    ledger = MemoryLedger()
    complete(ledger, 0.5)
    projection = Tracker(ledger, experiment="sweeps", uri=uri, required=True).close(timeout=30)
    assert (projection.missing, projection.problem) == (1, "the sweep ended before MLflow was reached")


def test_pushing_again_changes_nothing(client: MlflowClient, uri: str) -> None:
    ledger = MemoryLedger()
    complete(ledger, 0.5)
    ledger.finish(ledger.ask(), Outcome.FAILED, "no memory", "Traceback")
    ledger.end(SweepState.FINISHED)
    pushed(ledger, uri)
    before = [run.to_dictionary() for run in all_runs(client)]
    points = history(client, parent_of(client), "trials/failed")
    for forgotten in (False, True):
        if forgotten:
            ledger.forget_runs()
        pushed(ledger, uri)
        assert [run.to_dictionary() for run in all_runs(client)] == before
        assert history(client, parent_of(client), "trials/failed") == points
    assert ledger.sweep().run_id == parent_of(client).info.run_id


def test_an_interrupted_trial_resumes_in_its_run(client: MlflowClient, uri: str) -> None:
    ledger = MemoryLedger()
    key = ledger.ask()
    ledger.record(key, 0.25)
    ledger.finish(key, Outcome.INTERRUPTED, "the driver died")
    ledger.end(SweepState.INTERRUPTED)
    pushed(ledger, uri)
    interrupted = trial_of(client, key)
    assert interrupted.info.status == parent_of(client).info.status == "KILLED"
    assert interrupted.data.tags["sweep.reason"] == "the driver died"

    ledger.end(SweepState.RUNNING)
    ledger.restart(key)
    pushed(ledger, uri)
    running = trial_of(client, key)
    assert running.info.status == parent_of(client).info.status == "RUNNING"
    assert not {"sweep.outcome", "sweep.reason"} & set(running.data.tags)
    assert running.data.tags["sweep.attempts"] == "2"

    ledger.record(key, 0.5)
    ledger.finish(key, Outcome.COMPLETED)
    ledger.end(SweepState.FINISHED)
    pushed(ledger, uri)
    finished = trial_of(client, key)
    assert finished.info.run_id == interrupted.info.run_id
    assert finished.info.status == parent_of(client).info.status == "FINISHED"
    assert [(step, value) for step, value, _ in history(client, finished)] == [(1, 0.25), (2, 0.5)]
    assert parent_of(client).data.metrics["trials/interrupted"] == 0


def test_a_trial_that_is_interrupted_twice_has_its_last_end(client: MlflowClient, uri: str) -> None:
    ledger = MemoryLedger()
    key = ledger.ask()
    for _ in range(2):
        ledger.finish(key, Outcome.INTERRUPTED, "the driver died")
        pushed(ledger, uri)
        run = trial_of(client, key)
        assert (run.info.status, run.info.end_time) == ("KILLED", 1000 * (ledger.trial(key).ended or 0))
        ledger.restart(key)


def test_an_extended_sweep_shows_its_present_spec(client: MlflowClient, uri: str) -> None:
    ledger = MemoryLedger()
    ledger.respec(budget={"trials_per_cell": 4, "total_replicates": 5})
    pushed(ledger, uri)
    assert parent_of(client).data.tags["spec.budget.total_replicates"] == "5"
    ledger.respec(budget={"trials_per_cell": 8})
    pushed(ledger, uri)
    parent = parent_of(client)
    assert parent.data.tags["spec.budget.trials_per_cell"] == "8"
    assert "spec.budget.total_replicates" not in parent.data.tags, "a limit that the spec no longer has"
    path = client.download_artifacts(parent.info.run_id, "spec.yaml")
    assert "trials_per_cell: 8" in Path(path).read_text(encoding="utf-8")


def test_a_failure_comes_with_its_traceback(client: MlflowClient, uri: str) -> None:
    ledger = MemoryLedger()
    key = ledger.ask()
    ledger.finish(key, Outcome.FAILED, "ValueError: no", "Traceback (most recent call last):\n  ...")
    pushed(ledger, uri)
    run = trial_of(client, key)
    assert run.info.status == "FAILED"
    path = client.download_artifacts(run.info.run_id, "failure.txt")
    assert Path(path).read_text(encoding="utf-8").startswith("Traceback")


def test_thousands_of_points_go_in_several_requests(client: MlflowClient, uri: str) -> None:
    ledger = MemoryLedger()
    key = ledger.ask()
    for number in range(120):
        ledger.record(key, 0.5, **{f"metric_{each}": float(number) for each in range(20)})
    ledger.finish(key, Outcome.DIVERGED, "x" * 20_000)
    assert pushed(ledger, uri).missing == 0
    run = trial_of(client, key)
    assert [step for step, *_ in history(client, run, "metric_19")] == list(range(1, 121))
    assert run.data.tags["sweep.reports"] == "120"
    assert len(run.data.tags["sweep.reason"]) == 5000


def test_points_that_an_interrupted_request_left_are_not_doubled(client: MlflowClient, uri: str) -> None:
    ledger = MemoryLedger()
    key = complete(ledger, 0.25, 0.5, 0.75)
    pushed(ledger, uri)
    client.set_tag(trial_of(client, key).info.run_id, "sweep.reports", "1")
    pushed(ledger, uri)
    assert [step for step, *_ in history(client, trial_of(client, key))] == [1, 2, 3]
    assert trial_of(client, key).data.tags["sweep.reports"] == "3"


def test_of_two_runs_for_one_trial_the_recorded_one_stays(client: MlflowClient, uri: str) -> None:
    ledger = MemoryLedger()
    key = complete(ledger, 0.5)
    pushed(ledger, uri)
    run, parent = trial_of(client, key), parent_of(client)
    for each in (run, parent):
        client.create_run(each.info.experiment_id, tags=each.data.tags)
    pushed(ledger, uri)
    assert trial_of(client, key).info.run_id == run.info.run_id
    assert parent_of(client).info.run_id == parent.info.run_id


@pytest.mark.parametrize("deleted", ["trial", "parent"])
def test_a_run_that_a_user_deleted_meanwhile_is_made_anew(
    client: MlflowClient, uri: str, deleted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.tracking.tracker._PERIOD", 0.02)
    ledger = MemoryLedger()
    with Tracker(ledger, experiment="sweeps", uri=uri, required=True) as tracker:
        key = ledger.ask()
        tracker.notify(key)
        wait_until(lambda: ledger.trial(key).run_id)
        gone = ledger.trial(key).run_id if deleted == "trial" else ledger.sweep().run_id
        assert gone is not None
        client.delete_run(gone)
        ledger.record(key, 0.5)
        ledger.finish(key, Outcome.COMPLETED)
        ledger.end(SweepState.FINISHED)
    run = trial_of(client, key)
    assert gone not in (run.info.run_id, parent_of(client).info.run_id)
    assert run.data.tags["mlflow.parentRunId"] == parent_of(client).info.run_id
    assert {each.info.status for each in all_runs(client)} == {"FINISHED"}


def test_what_one_trial_is_refused_does_not_hold_up_the_others(
    client: MlflowClient, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.tracking.tracker._LAST_PAUSES", (0.0, 0.0))
    ledger = MemoryLedger()
    refused = ledger.ask()
    ledger.record(refused, 0.5, **{"not/../legal": 1.0})
    ledger.finish(refused, Outcome.COMPLETED)
    fine = complete(ledger, 0.5)
    projection = pushed(ledger, uri)
    assert (projection.pushed, projection.missing, projection.left) == (1, 1, (refused, "the sweep's own run"))
    assert "must accept what it is sent" in projection.problem
    assert "not/../legal" in projection.problem
    assert str(projection).startswith(f"1 of 2 runs are in MLflow; left: {refused}, the sweep's own run (MLflow must")
    assert trial_of(client, fine).info.status == trial_of(client, refused).info.status == "FINISHED"
    assert len(all_runs(client)) == 3


def test_a_trial_that_nobody_began_has_no_run(client: MlflowClient, uri: str) -> None:
    ledger = MemoryLedger()
    ledger.ask(attempts=0)
    assert pushed(ledger, uri) == Projection(pushed=0, missing=0)
    assert str(pushed(ledger, uri)) == "no trial has a run in MLflow yet"
    assert [run.info.run_id for run in all_runs(client)] == [ledger.sweep().run_id]


def test_an_artifact_that_cannot_be_stored_is_told_and_leaves_the_rest(
    client: MlflowClient, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.tracking.tracker._LAST_PAUSES", (0.0, 0.0))
    blocked = tmp_path / "blocked"
    blocked.write_text("not a folder")
    client.create_experiment("sweeps", artifact_location=str(blocked))
    ledger = MemoryLedger()
    key = complete(ledger, 0.5)
    ledger.end(SweepState.FINISHED)
    projection = pushed(ledger, uri)
    assert (projection.missing, projection.left) == (0, ("the sweep's own run",))
    assert "must be able to store artifacts" in projection.problem
    assert "spec.yaml" in projection.problem
    assert trial_of(client, key).info.status == parent_of(client).info.status == "FINISHED"


def test_the_sweep_shows_its_verdict_its_data_and_its_source(client: MlflowClient, uri: str) -> None:
    ledger = MemoryLedger()
    ledger.respec(description="tickets of 2026", datasets={"own": {"path": "/data/own.csv", "label": "intent"}})
    own = DataRecord(name="own", class_names=("a", "b"), pool=40, test=10, test_counts=(5, 5), digest="1f2e")
    own = replace(own, columns=("text", "intent"))
    ledger.describe_data(own, replace(own, name="old", digest=""))
    sync(ledger, experiment="sweeps", uri=uri, verdict="- **own:** a draw")
    sync(ledger, experiment="sweeps", uri=uri, verdict="- **own:** b wins")
    run = parent_of(client)
    assert run.data.tags["mlflow.note.content"] == ("**Verdict.**\n\n- **own:** b wins\n\n**Purpose.** tickets of 2026")
    assert run.data.tags["mlflow.source.name"] == "python -m sweep run"
    assert run.inputs is not None
    (data,) = [each.dataset for each in run.inputs.dataset_inputs]
    assert (data.name, data.digest, data.source_type) == ("own", "1f2e", "local")
    assert json.loads(data.source) == {"uri": "/data/own.csv"}
    assert json.loads(str(data.profile)) == {"num_rows": 50, "pool_rows": 40, "test_rows": 10, "classes": 2}
    assert [each["name"] for each in json.loads(str(data.schema))["mlflow_colspec"]] == ["text", "intent"]


def test_what_a_person_wrote_of_a_sweep_stays(client: MlflowClient, uri: str) -> None:
    ledger = MemoryLedger()
    pushed(ledger, uri)
    client.set_tag(parent_of(client).info.run_id, "mlflow.note.content", "the one for the paper")
    sync(ledger, experiment="sweeps", uri=uri, verdict="- **own:** a draw")
    assert parent_of(client).data.tags["mlflow.note.content"] == "the one for the paper"


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (None, "custom_model_development"),
        ("genai_development_inferred", "custom_model_development"),
        ("genai_development", "genai_development"),
    ],
)
def test_an_experiment_of_before_becomes_one_of_model_training(
    kind: str | None, wanted: str, client: MlflowClient, uri: str
) -> None:
    client.create_experiment("sweeps", tags={"mlflow.experimentKind": kind} if kind else {})
    projection = pushed(MemoryLedger(), uri)
    found = client.get_experiment_by_name("sweeps")
    assert found is not None
    assert found.tags["mlflow.experimentKind"] == wanted
    page = f"/#/experiments/{found.experiment_id}/runs/{parent_of(client).info.run_id}"
    assert projection.page == f"{page}?workflowType=machine_learning"


def test_files_and_folders_are_stored_with_the_sweep(client: MlflowClient, uri: str, tmp_path: Path) -> None:
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "curve.txt").write_text("curve")
    (tmp_path / "report.md").write_text("report")
    ledger = MemoryLedger()
    with Tracker(ledger, experiment="sweeps", uri=uri, required=True) as tracker:
        tracker.log_artifact(tmp_path / "report.md")
        tracker.log_artifact(tmp_path / "plots")
    stored = {each.path for each in client.list_artifacts(parent_of(client).info.run_id)}
    assert stored == {"report.md", "plots", "spec.yaml"}


def test_a_file_that_changes_is_stored_again(client: MlflowClient, uri: str, tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    report.write_text("first")
    ledger = MemoryLedger()
    with Tracker(ledger, experiment="sweeps", uri=uri, required=True) as tracker:
        tracker.log_artifact(report)
        wait_until(lambda: "report.md" in artifacts(client, parent_of(client)))
        report.write_text("the second one")
    stored = client.download_artifacts(parent_of(client).info.run_id, "report.md")
    assert Path(stored).read_text(encoding="utf-8") == "the second one"


def test_a_file_that_is_not_there_is_told(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweep.tracking.tracker._LAST_PAUSES", (0.0, 0.0))
    projection = sync(MemoryLedger(), experiment="sweeps", uri=uri, files=[tmp_path / "report.md"])
    assert projection.left == ("the sweep's own run",)
    assert "report.md" in projection.problem


def test_an_older_database_gets_everything_again(
    client: MlflowClient, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.tracking.tracker._PERIOD", 0.02)
    monkeypatch.setattr("sweep.tracking.tracker._UPDATE_PERIOD", 0.0)
    ledger = MemoryLedger()
    with Tracker(ledger, experiment="sweeps", uri=uri, required=True) as tracker:
        before, during, failing = complete(ledger, 0.25, 0.5), ledger.ask(), ledger.ask()
        ledger.record(during, 0.25)
        for key in (before, during, failing):
            tracker.notify(key)
        wait_until(lambda: statuses(client) == {"RUNNING": 3, "FINISHED": 1})
        overwrite(tmp_path / "older.db", tmp_path / "mlflow.db")
        ledger.record(during, 0.5)
        ledger.finish(during, Outcome.COMPLETED)
        ledger.finish(failing, Outcome.FAILED, "no memory", "Traceback")
        after = complete(ledger, 0.75)
        confirmation = ledger.confirm(after, 0.5, 0.75, outcome=Outcome.COMPLETED)
        for key in (during, failing, after, confirmation):
            tracker.notify(key)
        wait_until(lambda: statuses(client) == {"RUNNING": 1, "FINISHED": 4, "FAILED": 1})
        shutil.rmtree(trial_of(client, failing).info.artifact_uri.removeprefix("file://"))  # files may be older as well
        overwrite(tmp_path / "mlflow.db", tmp_path / "older.db")
        assert statuses(client) == {"RUNNING": 3, "FINISHED": 1}
        ledger.end(SweepState.FINISHED)
    assert statuses(client) == {"FINISHED": 5, "FAILED": 1}
    for key in (before, during, failing, after):
        run = trial_of(client, key)
        assert run.info.run_id == ledger.trial(key).run_id
        assert run.data.tags["sweep.outcome"] == ledger.trial(key).outcome
        scores = [(report.number, report.score) for report in ledger.trial(key).evaluations]
        assert [(step, value) for step, value, _ in history(client, run)] == scores
    assert artifacts(client, trial_of(client, failing)) == ["failure.txt"]
    completed = history(client, parent_of(client), "trials/completed")
    assert [(step, value) for step, value, _ in completed] == [(1, 1), (2, 2), (4, 3)]


def test_an_emptied_artifact_folder_is_filled_again(
    client: MlflowClient, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.tracking.tracker._PERIOD", 0.02)
    ledger = MemoryLedger()
    with Tracker(ledger, experiment="sweeps", uri=uri, required=True) as tracker:
        key = ledger.ask()
        ledger.finish(key, Outcome.FAILED, "no memory", "Traceback")
        tracker.notify(key)
        wait_until(lambda: statuses(client)["FAILED"] and artifacts(client, trial_of(client, key)))
        wait_until(lambda: artifacts(client, parent_of(client)))
        for run in all_runs(client):
            shutil.rmtree(run.info.artifact_uri.removeprefix("file://"))
        ledger.end(SweepState.FINISHED)
    assert artifacts(client, trial_of(client, key)) == ["failure.txt"]
    assert artifacts(client, parent_of(client)) == ["spec.yaml"]


def test_a_sweep_drawn_live_equals_one_drawn_afterwards(
    client: MlflowClient, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.tracking.tracker._PERIOD", 0.02)
    monkeypatch.setattr("sweep.tracking.tracker._UPDATE_PERIOD", 0.0)
    ledger = MemoryLedger()
    with Tracker(ledger, experiment="sweeps", uri=uri, required=True) as tracker:
        for scores in ((0.25, 0.5), (0.75,)):
            key = complete(ledger, *scores)
            tracker.notify(key)
            wait_until(lambda: statuses(client)["FINISHED"] == len(ledger.trials()))
            wait_until(lambda: parent_of(client).data.metrics["trials/completed"] == len(ledger.trials()))
        for known in (0.5,), (0.5, 0.75), (0.5, 0.75, 0.25):
            tracker.notify(ledger.confirm(key, *known))
            wait_until(lambda: len(curves(client).get("mean_test_accuracy", [])) == len(known))  # noqa: B023
        ledger.confirm(key, 0.5, 0.75, 0.25, outcome=Outcome.COMPLETED)
        ledger.end(SweepState.FINISHED)
    live = curves(client)
    again = f"sqlite:///{shutil.copy(tmp_path / 'mlflow.db', tmp_path / 'again.db')}"
    for run in all_runs(open_client(again)):
        open_client(again).delete_run(run.info.run_id)
    pushed(ledger, again)
    assert curves(open_client(again)) == live
    assert live[f"confirmed/{CELL}"] == [(2, 0.5)]


def test_a_deleted_experiment_is_refused_with_a_remedy(client: MlflowClient, uri: str) -> None:
    client.delete_experiment(client.create_experiment("sweeps"))
    with pytest.raises(
        TrackingError, match=r"'sweeps' is; bring it back with `mlflow experiments restore --experiment-id 1`"
    ):
        pushed(MemoryLedger(), uri)


def test_no_error_ends_the_thread(client: MlflowClient, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweep.tracking.tracker._PERIOD", 0.02)
    ledger = MemoryLedger()
    with Tracker(ledger, experiment="sweeps", uri=uri, required=True) as tracker:
        with monkeypatch.context() as broken:
            broken.setattr(ledger, "trials", lambda: 1 / 0)
            tracker.notify("nobody")
            wait_until(lambda: "division by zero" in tracker.problem)
        key = complete(ledger, 0.5)
        wait_until(lambda: not tracker.problem)
        ledger.end(SweepState.FINISHED)
    assert trial_of(client, key).info.status == "FINISHED"


def test_nothing_is_said_on_the_terminal(uri: str, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    ledger = MemoryLedger()
    complete(ledger, 0.5)
    pushed(ledger, uri)
    pushed(ledger, f"sqlite:///{tmp_path / 'new.db'}")
    assert capfd.readouterr() == ("", "")


def test_confirmations_are_nested_too_and_resume_in_their_run(client: MlflowClient, uri: str) -> None:
    ledger = MemoryLedger()
    trial = complete(ledger, 0.5)
    ledger.confirm(trial, 0.5, 0.75)
    ledger.end(SweepState.FINISHED)
    assert str(pushed(ledger, uri)) == "all 2 runs are in MLflow"
    ledger.confirm(trial, 0.5, 0.75, 0.25, outcome=Outcome.COMPLETED)
    for _ in range(2):
        assert str(pushed(ledger, uri)) == "all 2 runs are in MLflow"
        (run,) = [run for run in all_runs(client) if run.data.tags["sweep.role"] == "confirmation"]
        assert run.data.tags["mlflow.parentRunId"] == parent_of(client).info.run_id
        assert [(step, value) for step, value, _ in history(client, run, "test_accuracy")] == [
            (0, 0.5),
            (1, 0.75),
            (2, 0.25),
        ]
        assert run.data.metrics["mean_test_accuracy"] == 0.5
        assert run.info.status == "FINISHED"


def test_confirmations_are_found_again_when_the_ledger_has_forgotten_their_runs(client: MlflowClient, uri: str) -> None:
    ledger = MemoryLedger()
    ledger.confirm(complete(ledger, 0.5), 0.5)
    pushed(ledger, uri)
    ledger.forget_runs()
    pushed(ledger, uri)
    assert len(all_runs(client)) == 3
    assert all(record.run_id for record in ledger.confirmations())
