"""Recipes beside each other in real sweeps: the same results after a kill, and no file that they cannot do without."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from sweep.ledger.stored import read_stored
from sweep.records.results import SweepResults
from tests.services.waiting import TIME_LIMIT, wait_until
from tests.sweeps.results_table import table
from tests.sweeps.tiny_task import TinyTask
from trainable.outcomes import Outcome

TRIALS = 4
DRAWS = 3


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep of a frozen encoder and two losses in a folder of its own, with a home of its own for embeddings."""

    folder: Path
    task: TinyTask

    def write(self) -> None:
        self.folder.mkdir()
        self.task.write_spec(
            self.folder / "spec.yaml",
            "toy",
            compare={"dataset": ["films"], "shots": [4], "recipe": ["frozen", "fine_tune"], "loss": ["supcon"]},
            protocol={"replicates": 2, "evaluations": 2, "steps": 4, "validation": 12},
            budget={"trials_per_cell": TRIALS, "concurrency": 1},  # so that every proposal sees the same trials
            pruning={"rule": "asha", "reduction_factor": 2},
            confirm={"draws": DRAWS, "reseeded": 1},
        )

    def start(self) -> subprocess.Popen[str]:
        environment = os.environ | {"HF_HOME": str(self.home), "RAY_worker_niceness": "0"}
        return subprocess.Popen(
            [sys.executable, "-m", "sweep", "run", "spec.yaml"],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self) -> str:
        process = self.start()
        output, _ = process.communicate(timeout=TIME_LIMIT)
        assert process.returncode == 0, output
        return output

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def results(self) -> SweepResults:
        return read_stored("toy", self.folder / "sweeps")[1].results()

    def has_reports(self, least: int) -> bool:
        journal = self.folder / "sweeps" / "toy" / "ledger.journal"
        return journal.exists() and journal.read_bytes().count(b'"report/') >= least


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> TinyTask:
    written = TinyTask(tmp_path_factory.mktemp("task"))
    written.write()
    return written


def test_a_sweep_of_two_recipes_that_is_killed_ends_as_one_that_is_not(tmp_path: Path, task: TinyTask) -> None:
    undisturbed, killed = Sweep(tmp_path / "undisturbed", task), Sweep(tmp_path / "killed", task)
    undisturbed.write()
    output = undisturbed.run()
    assert "films/4/frozen" in output
    assert "films/4/supcon" in output
    results = undisturbed.results
    ends = Counter((trial.config.method, trial.outcome) for trial in results.trials)
    assert ends["frozen", Outcome.COMPLETED] + ends["frozen", Outcome.PRUNED] == TRIALS
    frozen = [each.evaluation for trial in results.trials if trial.config.loss is None for each in trial.evaluations]
    assert {each.point for each in frozen} == {1}
    assert {record.config.method: len(record.replicates) for record in results.confirmations} == {
        "frozen": DRAWS + 1,
        "supcon": DRAWS + 1,
    }

    killed.write()
    for reports in (3, 9):
        process = killed.start()
        wait_until(partial(killed.has_reports, reports))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        shutil.rmtree(killed.home / "few-shot-sweep", ignore_errors=True)  # embeddings may be deleted at any time
    killed.run()
    assert table(killed.results) == table(results)
    report = (killed.folder / "sweeps" / "toy" / "report" / "report.html").read_text(encoding="utf-8")
    assert "frozen" in report
