"""CPUs as allotted, not as installed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sweep.execution.machine import allotted_cpus

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
