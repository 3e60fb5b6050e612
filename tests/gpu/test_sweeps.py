"""Whole sweeps on a GPU, run as the command: trials share it, and a process that dies gives its memory back."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
import torch

from sweep.ledger.stored import read_stored
from sweep.records.results import SweepResults
from tests.services.command_line import is_worker
from tests.services.waiting import TIME_LIMIT, wait_until
from tests.sweeps.results_table import table
from tests.sweeps.tiny_task import TinyTask
from trainable.outcomes import Outcome

ROOT = Path(__file__).parents[2]
MIB = 2**20
HALVES = {"cpu": 1, "gpu": 0.5}

# Allocates all of the GPU's memory but the given MiB, prints "held", and keeps it until its input is closed.
HOG = """
import sys, torch
free, _ = torch.cuda.mem_get_info()
held = torch.empty(free - int(sys.argv[1]) * 2**20, dtype=torch.uint8, device="cuda")
print("held", flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True, slots=True)
class User:
    """A user of the command line whose spec and data are in `folder`."""

    folder: Path

    def start(self) -> subprocess.Popen[str]:
        paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        return subprocess.Popen(
            [sys.executable, "-m", "sweep", "run", "spec.yaml"],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": paths},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, code: int = 0) -> str:
        with self.start() as sweep:
            output, _ = sweep.communicate(timeout=TIME_LIMIT)
        assert sweep.returncode == code, output
        assert "Traceback" not in output
        return output

    def results(self) -> SweepResults:
        return read_stored("toy", self.folder / "sweeps")[1].results()


def user(folder: Path, steps: int, resources: Mapping[str, float]) -> User:
    """Write a spec of two losses with two trials each, whose results do not depend on the order of trials."""
    folder.mkdir()
    task = TinyTask(folder)
    task.write()
    task.write_spec(
        folder / "spec.yaml",
        "toy",
        compare={"dataset": ["films"], "shots": [4], "loss": ["cross_entropy", "soft_triple"]},
        search={"encoder_lr": [1.0e-3, 2.0e-3]},
        protocol={"replicates": 2, "evaluations": 2, "steps": steps, "validation": 20},
        budget={"trials_per_cell": 2},
        confirm={"draws": 1, "reseeded": 0},
        resources=resources,
    )
    return User(folder)


def trainings(driver: subprocess.Popen[Any]) -> Sequence[psutil.Process]:
    """The worker processes of a driver's own Ray."""
    return [child for child in psutil.Process(driver.pid).children(recursive=True) if is_worker(child)]


def memory_free() -> int:
    return int(torch.cuda.mem_get_info()[0])


@contextmanager
def memory_taken(but: int) -> Iterator[None]:
    """Let another process hold all of the GPU's memory but so many MiB while the block runs."""
    with subprocess.Popen(
        [sys.executable, "-c", HOG, str(but)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as hog:
        assert hog.stdout is not None
        assert hog.stdout.readline() == "held\n"
        try:
            yield
        finally:
            hog.communicate()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> User:
    """The user after a sweep in which two trials shared the GPU."""
    ours = user(tmp_path_factory.mktemp("sweeps") / "undisturbed", 400, HALVES)
    with ours.start() as sweep:
        try:
            wait_until(lambda: sweep.poll() is not None or len(trainings(sweep)) == 2)
            assert len(trainings(sweep)) == 2
        finally:
            output, _ = sweep.communicate(timeout=TIME_LIMIT)
    assert sweep.returncode == 0, output
    return ours


def test_two_trials_share_the_gpu(undisturbed: User) -> None:
    results = undisturbed.results()
    assert [record.outcome for record in results.trials] == [Outcome.COMPLETED] * 4
    assert [record.outcome for record in results.confirmations] == [Outcome.COMPLETED] * 2


def test_a_killed_worker_gives_its_memory_back_and_its_trial_resumes(undisturbed: User, tmp_path: Path) -> None:
    before = memory_free()
    ours = user(tmp_path / "killed", 400, HALVES)
    with ours.start() as sweep:
        wait_until(lambda: sweep.poll() is not None or before - memory_free() > 300 * MIB)
        trainings(sweep)[0].kill()
        output, _ = sweep.communicate(timeout=TIME_LIMIT)
    assert sweep.returncode == 0, output
    assert sorted(record.attempts for record in ours.results().trials)[-1] == 2
    assert table(ours.results()) == table(undisturbed.results())
    wait_until(lambda: before - memory_free() < 100 * MIB)


def test_trials_on_a_full_gpu_fail_and_say_so(tmp_path: Path) -> None:
    """Not even CUDA itself finds enough memory."""
    ours = user(tmp_path / "filled", 400, {"cpu": 1, "gpu": 1})
    with memory_taken(but=100):
        ours.run(code=1)
    results = ours.results()
    assert {record.outcome for record in results.trials} == {Outcome.FAILED}
    assert all("out of memory" in record.reason for record in results.trials), results.trials
