"""From a laptop to GPU machines that come and go: gpu.yaml as it is, on a pretend EC2, by the commands of the README.

One scenario is played, from `ray up` to `ray down`, and then looked at from all sides. The long form, SWEEP_CLUSTER=1,
also waits until the last GPU machine has been given back: five minutes after the last trial, as the file says.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from sweep.ledger.stored import read_stored
from sweep.records.confirmation import ConfirmationRecord
from sweep.records.sweep import SweepState
from sweep.records.trial import TrialRecord
from sweep.tracking.store import open_client
from tests.multinode.ec2_scenario import EXPERIMENT, LOSSES, SWEEP, Observed, play
from tests.multinode.installed import require_machines
from tests.multinode.pretend_ec2 import PretendEC2
from tests.sweeps.results_table import table
from trainable.outcomes import Outcome

LONG = "SWEEP_CLUSTER" in os.environ
RUNS = 1 + 2 * len(LOSSES)  # the sweep's, one for each trial, one for each confirmation

pytestmark = pytest.mark.timeout(4000)  # the first test waits for the whole scenario


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Observed:
    require_machines()
    with PretendEC2.opened(tmp_path_factory.mktemp("cloud")) as cloud:
        try:
            found = play(cloud, until_idle=LONG)
        finally:
            print(*cloud.events(), sep="\n")
    print({step: round(seconds) for step, seconds in found.seconds.items()})
    return found


def test_a_sweep_that_lost_a_machine_ends_as_one_that_was_left_alone(observed: Observed) -> None:
    assert observed.after.sweep.state == observed.alone.sweep.state == SweepState.FINISHED
    assert [each.outcome for each in observed.after.trials] == [Outcome.COMPLETED] * len(LOSSES)
    assert table(observed.after) == table(observed.alone)


def test_trials_made_the_cluster_grow_to_what_they_fill(observed: Observed) -> None:
    assert observed.most == 2, "two halves of a GPU make one machine"


def test_a_lost_machine_costs_no_more_than_the_replicates_that_it_trained(observed: Observed) -> None:
    attempts = Counter(record.attempts for record in observed.after.trials)
    assert attempts[2] in (1, 2), "the machine held two trials"
    assert attempts[1] == len(LOSSES) - attempts[2]
    kept = [finished for record in observed.before.trials for finished in replicates(record)]
    again = [finished for record in observed.after.trials for finished in replicates(record)]
    assert kept
    assert all(each in again for each in kept), "a replicate was trained that was on record, times and all"


def test_the_laptop_sees_the_verdict(observed: Observed) -> None:
    assert f"{SWEEP}: finished" in observed.said
    for command in (f"report {SWEEP}", "ui", f"fetch {SWEEP}", "run /home/me/task/films.yaml --set resources.gpu=0.5"):
        assert f"python -m sweep {command}" in observed.said
    assert observed.said.count("--cluster cluster/gpu.yaml") == 5, "advice is for the laptop"


def test_all_runs_are_in_mlflow_through_the_tunnel(observed: Observed) -> None:
    assert "<title>MLflow</title>" in observed.page
    assert [run["info"]["status"] for run in observed.runs] == ["FINISHED"] * RUNS
    ids = {run["info"]["run_id"] for run in observed.runs}
    records: list[TrialRecord | ConfirmationRecord] = [*observed.after.trials, *observed.after.confirmations]
    assert {record.run_id for record in records} | {observed.after.sweep.run_id} == ids


def test_fetch_brings_ledger_spec_report_and_runs(observed: Observed) -> None:
    folder = observed.fetched / SWEEP
    assert table(read_stored(SWEEP, observed.fetched)[1].results()) == table(observed.after)
    assert (folder / "spec.yaml").exists()
    assert (folder / "report" / "report.html").exists()
    client = open_client(f"sqlite:///{observed.fetched.parent / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    assert [run.info.status for run in runs] == ["FINISHED"] * RUNS


def test_machines_install_the_locked_project(observed: Observed) -> None:
    assert len(observed.calls) >= 2
    for calls in observed.calls.values():
        assert "uv pip install" in calls
        assert "--constraint /home/ubuntu/few-shot-sweep/constraints.txt" in calls
    assert sum("nvidia-smi" in calls for calls in observed.calls.values()) == len(observed.calls) - 1, (
        "all but the head"
    )


def test_no_machine_is_left(observed: Observed) -> None:
    assert observed.left == []
    assert ("idle" in observed.seconds) == LONG


def replicates(record: TrialRecord) -> list[tuple[str, object]]:
    """The finished ones of a trial, as recorded."""
    return [(record.key, each) for each in record.evaluations if each.evaluation.point == record.config.evaluations]
