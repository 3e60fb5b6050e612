"""The main job, used as a person uses it: real Ray, real MLflow, real processes, a tiny encoder. What dies or
is killed meanwhile is in tests.faults."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
import yaml

from sweep.ledger.directory import SweepDirectory
from sweep.ledger.stored import read_stored
from sweep.records.sweep import SweepState
from sweep.records.trial import TrialRecord
from sweep.tracking.store import open_client
from tests.services.command_line import is_worker
from tests.services.mlflow_server import free_port
from tests.services.waiting import TIME_LIMIT, wait_until
from trainable.config import TrialConfig
from trainable.outcomes import Outcome

SENTEVAL = Path(__file__).parents[3] / "shared" / "data" / "senteval"


@dataclass(frozen=True)
class User:
    """Somebody with a folder, a spec file in it, and a shell."""

    folder: Path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "sweep", *arguments],
            cwd=self.folder,
            env={
                **os.environ,
                "OMP_NUM_THREADS": "1",
                "RAY_worker_niceness": "0",
            },  # no slower than what else runs here
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def stop(self, process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str]:
        """Send a signal as a terminal or a scheduler does, to every process of the group; exit code and all output."""
        os.killpg(process.pid, number)
        try:
            output, errors = process.communicate(timeout=TIME_LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
        return process.returncode, output + errors

    def run(self, *arguments: str, code: int = 0) -> str:
        process = self.start("run", "spec.yaml", *arguments)
        output, errors = process.communicate(timeout=TIME_LIMIT)
        assert process.returncode == code, output + errors
        return output + errors

    def write(self, **changes: Any) -> None:
        spec = {**yaml.safe_load((self.folder / "spec.yaml").read_text()), **changes}
        (self.folder / "spec.yaml").write_text(yaml.safe_dump(spec))

    @property
    def trials(self) -> tuple[TrialRecord, ...]:
        return read_stored("toy", self.folder / "sweeps")[1].trials()

    @property
    def state(self) -> SweepState:
        return read_stored("toy", self.folder / "sweeps")[1].sweep().state

    def mlflow_runs(self) -> list[Any]:
        client = open_client(f"sqlite:///{self.folder}/mlflow.db")
        experiments = client.search_experiments(view_type=3)  # active and deleted ones
        default = [each.experiment_id for each in experiments if each.name == "Default"]
        assert not client.search_runs(default)
        (ours,) = (each for each in experiments if each.name == "toys")
        return list(client.search_runs([ours.experiment_id], max_results=1000))


@pytest.fixture
def user(tmp_path: Path, tiny_bert: Path, toy_csv: Path) -> User:
    spec = {
        "name": "toy",
        "datasets": {"films": {"path": str(toy_csv)}},
        "compare": {"dataset": ["films"], "shots": [4], "loss": ["cross_entropy", "soft_triple"]},
        "search": {"encoder_lr": {"low": 5e-4, "high": 2e-3, "log": True}},
        "trial": {"encoder": str(tiny_bert), "embedding": "mean", "max_length": 16},
        "protocol": {"replicates": 2, "evaluations": 2, "steps": 8, "validation": 20},
        "budget": {"trials_per_cell": 3, "concurrency": 1},
        "pruning": {"rule": "none"},
        "confirm": {"draws": 0},
        "tracking": {"experiment": "toys"},
    }
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec))
    return User(tmp_path)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    def met() -> bool:
        assert process.poll() is None, "".join(process.communicate())
        return condition()

    wait_until(met)


def reports(user: User) -> int:
    journal = user.folder / "sweeps" / "toy" / "ledger.journal"
    return journal.read_bytes().count(b'"report/') if journal.exists() else 0


def interrupted_or_reported(user: User, reported: int) -> bool:
    """Whether a step was interrupted, or more is on record than so many reports."""
    log = user.folder / "sweeps" / "toy" / "sweep.log"
    return "no evaluation within" in log.read_text() or reports(user) > reported


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes that train for a driver which has started Ray itself; at least one."""
    found = [each for each in psutil.Process(process.pid).children(recursive=True) if is_worker(each)]
    assert found
    return found


def assert_mlflow_mirrors_the_ledger(user: User) -> None:
    runs = user.mlflow_runs()
    (parent,) = (run for run in runs if run.data.tags["sweep.role"] == "sweep")
    children = {
        f"{run.data.tags['sweep.cell']}#{run.data.tags['sweep.trial']}": run for run in runs if run is not parent
    }
    assert len(children) == len(runs) - 1, "a trial has two runs"
    assert set(children) == {record.key for record in user.trials}
    for record in user.trials:
        run = children[record.key]
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.tags["sweep.outcome"] == (record.outcome.value if record.outcome else "running")
        assert TrialConfig.from_flat(run.data.params) == record.config, "a trial must be replayable from its parameters"
        assert run.data.metrics.get("score") == (None if record.score is None else pytest.approx(record.score))
        assert run.info.status != "RUNNING"
    assert parent.info.status != "RUNNING"


def test_a_sweep_from_the_first_command_to_mlflow(user: User) -> None:
    output = user.run()
    assert Counter(record.outcome for record in user.trials) == {Outcome.COMPLETED: 6}
    assert_mlflow_mirrors_the_ledger(user)
    assert "films/4/soft_triple" in output
    assert "mlflow ui" in output
    assert "note: films: no test part: " in output, "what a plan says of the data"
    assert "Traceback" not in output
    for record in user.trials:
        assert [each.number for each in record.evaluations] == [1, 2, 3, 4]

    began = time.monotonic()
    again = user.run()
    assert "nothing was trained" in again
    assert time.monotonic() - began < 60
    assert_mlflow_mirrors_the_ledger(user)

    for more in ((), ("--set", "budget.trials_per_cell=4")):  # with nothing to train, and while Ray starts
        unreachable = user.run("--set", f"tracking.uri=http://127.0.0.1:{free_port()}", *more, code=2)
        assert "the MLflow store must answer" in unreachable
        assert "Traceback" not in unreachable
        assert user.state is SweepState.FINISHED, "a run that was refused leaves the sweep as it was"
        assert len(user.trials) == 6

    before = {record.key: record for record in user.trials}
    user.run("--set", "budget.trials_per_cell=4")
    after = {record.key: record for record in user.trials}
    assert len(after) == 8
    assert {key: after[key] for key in before} == before
    assert_mlflow_mirrors_the_ledger(user)

    user.write(search={"soft_triple": {"margin": {"low": 0.0, "high": 0.5}}})
    refusal = user.run(code=2)
    assert "margin" in refusal
    assert "another name" in refusal
    assert "Traceback" not in refusal


@pytest.mark.parametrize("home", ["/dev/null", "/proc/none"])
def test_a_home_that_cannot_be_written_holds_nothing_up(
    home: str, user: User, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in containers and batch jobs: a home that is a file, or a folder that nobody can make."""
    for name in [name for name in os.environ if name.startswith("XDG_") or name in ("HF_HOME", "MPLCONFIGDIR")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", home)
    both = {"recipe": ["frozen", "fine_tune"], "loss": ["cross_entropy"]}
    one = {"trials_per_cell": 1, "concurrency": 1}
    user.write(compare={"dataset": ["films"], "shots": [4], **both}, confirm={"draws": 2}, budget=one)
    output = user.run()
    assert Counter(record.outcome for record in user.trials) == {Outcome.COMPLETED: 2}
    assert "Traceback" not in output
    assert "/dev/null" not in output.replace(str(tmp_path), "")
    assert (tmp_path / "sweeps" / "toy" / "report" / "report.html").exists()


def test_ctrl_c_is_clean_and_the_same_command_resumes(user: User) -> None:
    user.write(budget={"trials_per_cell": 4})
    process = user.start("run", "spec.yaml")
    wait_for(lambda: reports(user) >= 5, process)
    loaded = Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8")
    assert "libtorch" not in loaded, "workers train, and the driver waits: 300 MiB and a second less"
    code, output = user.stop(process, signal.SIGINT)
    assert code == 130, output
    assert "Traceback" not in output
    assert "resume" in output
    assert all(record.outcome is not None for record in user.trials)
    assert any(record.outcome is Outcome.INTERRUPTED for record in user.trials)
    assert_mlflow_mirrors_the_ledger(user)
    user.run()
    assert Counter(record.outcome for record in user.trials) == {Outcome.COMPLETED: 8}
    assert_mlflow_mirrors_the_ledger(user)


def test_a_sweep_is_stopped_from_another_terminal(user: User) -> None:
    user.write(budget={"trials_per_cell": 10})
    process = user.start("run", "spec.yaml")
    wait_for(lambda: reports(user) >= 5, process)
    halted = workers(process)  # while the command starts, which takes longer than all trials on a busy machine
    for each in halted:
        each.suspend()
    stopping = user.start("stop", "toy")
    wait_for(SweepDirectory(user.folder / "sweeps" / "toy").stop_request.exists, process)
    for each in halted:
        each.resume()
    told, errors = stopping.communicate(timeout=TIME_LIMIT)
    assert stopping.returncode == 0, told + errors
    assert f"process {process.pid} on" in told
    assert "the command that began it resumes" in told
    output, errors = process.communicate(timeout=TIME_LIMIT)
    assert process.returncode == 130, output + errors
    assert "Traceback" not in output + errors
    assert all(record.outcome is not None for record in user.trials)
    for record in user.trials:
        assert len(record.evaluations) % 2 == 0, "a replicate that ran was interrupted"
    assert_mlflow_mirrors_the_ledger(user)
    user.run()
    assert Counter(record.outcome for record in user.trials) == {Outcome.COMPLETED: 20}
    assert_mlflow_mirrors_the_ledger(user)


def test_a_worker_that_hangs_is_interrupted_and_its_trial_tried_again(user: User) -> None:
    """It is halted for longer than a report may take, as by a network drive that does not answer."""
    long = {"replicates": 1, "evaluations": 2, "steps": 300, "validation": 20}  # most of the time lies within a report
    user.write(budget={"trials_per_cell": 2, "concurrency": 1, "stall_minutes": 0.2}, protocol=long)
    process = user.start("run", "spec.yaml")
    wait_for(lambda: reports(user) >= 1, process)
    log_file = user.folder / "sweeps" / "toy" / "sweep.log"
    while "no evaluation within" not in log_file.read_text():  # it was met between two reports
        (worker,) = (each for each in workers(process) if each.status() != psutil.STATUS_ZOMBIE)
        worker.suspend()
        time.sleep(13)
        worker.resume()
        wait_for(partial(interrupted_or_reported, user, reports(user)), process)
    output, errors = process.communicate(timeout=TIME_LIMIT)
    assert process.returncode == 0, output + errors
    log = log_file.read_text()
    assert "no evaluation within 0.2 minutes" in log
    assert "sweep/execution/worker.py" in log, "the stack says where it hung"
    assert {record.outcome for record in user.trials} == {Outcome.COMPLETED}
    assert Counter(record.attempts for record in user.trials) == {1: 3, 2: 1}
    assert re.search(r"used .* search, 0:\d\d discarded\)", output), output


def test_a_sweep_needs_nobody_who_reads_its_output(user: User) -> None:
    """As with `python -m sweep run | head -1`."""
    one = {"trials_per_cell": 1, "concurrency": 1}
    user.write(compare={"dataset": ["films"], "shots": [4], "loss": ["cross_entropy"]}, budget=one)
    with user.start("run", "spec.yaml") as process:
        assert process.stdout is not None and process.stderr is not None  # noqa: PT018
        first = process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
    assert first, errors
    assert process.returncode == 0, errors
    assert [record.outcome for record in user.trials] == [Outcome.COMPLETED]


def test_a_second_driver_is_refused(user: User) -> None:
    process = user.start("run", "spec.yaml")
    journal = user.folder / "sweeps" / "toy" / "ledger.journal"
    wait_for(journal.exists, process)
    refusal = user.run(code=2)
    assert f"process {process.pid}" in refusal
    user.stop(process, signal.SIGTERM)


def test_a_sigterm_while_ray_starts_ends_the_sweep_as_ctrl_c_does(user: User) -> None:
    process = user.start("run", "spec.yaml")
    family = psutil.Process(process.pid)
    wait_for(lambda: any(each.name() == "gcs_server" for each in family.children(recursive=True)), process)
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=TIME_LIMIT)
    assert process.returncode == 130, output + errors
    assert "Traceback" not in output + errors
    assert {run.info.status for run in user.mlflow_runs()} == {"KILLED"}


def test_trials_that_fail_are_told_and_the_sweep_fails(user: User, tiny_bert: Path) -> None:
    broken = shutil.copytree(tiny_bert, user.folder / "broken-encoder")
    (broken / "model.safetensors").write_bytes(b"no tensors at all")
    user.write(trial={"encoder": str(broken)}, budget={"trials_per_cell": 1, "concurrency": 1})
    output = user.run(code=1)
    assert "broken-encoder" in output
    assert "Traceback" not in output
    assert {record.outcome for record in user.trials} == {Outcome.FAILED}
    assert all("\nlog: " in record.detail for record in user.trials)
    assert {run.info.status for run in user.mlflow_runs()} == {"FAILED"}


@pytest.mark.skipif(not SENTEVAL.is_dir(), reason=f"the SentEval data is not at {SENTEVAL}")
def test_trec_and_cr_at_two_shot_counts_with_three_losses(user: User) -> None:
    user.write(
        datasets={name: {"path": str(SENTEVAL / name.upper()), "senteval": name.upper()} for name in ("trec", "cr")},
        compare={
            "dataset": ["trec", "cr"],
            "shots": [20, 100],
            "loss": ["cross_entropy", "soft_triple", "proxy_anchor"],
        },
        trial={**yaml.safe_load((user.folder / "spec.yaml").read_text())["trial"], "sampling": "random"},
        protocol={"replicates": 1, "evaluations": 2, "steps": 4, "validation": 100},
        budget={"trials_per_cell": 1, "concurrency": 1},
    )
    user.run()
    assert len(user.trials) == 12
    assert {record.outcome for record in user.trials} == {Outcome.COMPLETED}
    assert_mlflow_mirrors_the_ledger(user)
