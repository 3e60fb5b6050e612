"""CPUs as allotted, not as installed, and how many trials they and the GPUs hold."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from sweep.execution import machine
from sweep.execution.machine import allotted_cpus, slots_here

ALLOWED = len(os.sched_getaffinity(0))


@pytest.fixture(autouse=True)
def no_batch_job(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        monkeypatch.delenv(name, raising=False)


def test_the_affinity_counts(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert allotted_cpus(tmp_path) == 1
    finally:
        os.sched_setaffinity(0, before)
    assert allotted_cpus(tmp_path) == len(before)


@pytest.mark.parametrize(("quota", "cpus"), [("max 100000", ALLOWED), ("150000 100000", min(ALLOWED, 2)), ("1 9", 1)])
def test_the_quota_of_the_control_group_counts(tmp_path: Path, quota: str, cpus: int) -> None:
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    assert allotted_cpus(tmp_path) == cpus


def test_a_damaged_quota_is_none(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("many")
    assert allotted_cpus(tmp_path) == ALLOWED


def test_a_batch_job_counts_by_its_task_then_by_its_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "1")
    assert allotted_cpus(tmp_path) == 1
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1000")
    assert allotted_cpus(tmp_path) == ALLOWED
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "0")
    assert allotted_cpus(tmp_path) == 1


@pytest.mark.parametrize(
    ("gpus", "gpu", "slots"),
    [(0, "auto", 16), (1, "auto", 1), (2, "auto", 2), (1, 0.25, 4), (1, 0.0, 16), (0, 1.0, 1)],
)
def test_a_gpu_holds_one_trial_unless_the_spec_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, gpus: int, gpu: Any, slots: int
) -> None:
    monkeypatch.setattr(machine, "allotted_cpus", lambda: 16)
    monkeypatch.setattr(machine, "gpu_count", lambda: gpus)
    assert slots_here(1.0, gpu) == slots


def test_more_cpus_for_a_trial_leave_room_for_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "allotted_cpus", lambda: 16)
    monkeypatch.setattr(machine, "gpu_count", lambda: 4)
    assert slots_here(8.0, "auto") == 2
    assert slots_here(32.0, "auto") == 1
