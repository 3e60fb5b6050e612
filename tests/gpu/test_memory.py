"""The memory of a GPU: none is lost from trial to trial, and running out of it is an outcome."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import torch

from tests.gpu.conftest import MemoryLeft
from tests.services.waiting import TIME_LIMIT
from trainable.config import TrialConfig
from trainable.encoder import encoder
from trainable.outcomes import Outcome
from trainable.training import replicates

ROOT = Path(__file__).parents[2]
MIB = 2**20


def _wide(config: TrialConfig, folder: Path) -> TrialConfig:
    return config.model_copy(update={"encoder": str(folder), "encoder_lr": 1e-5, "steps": 4, "replicates": 1})


@pytest.mark.parametrize("mib", [50, 150, 300])
def test_memory_that_runs_out_ends_one_trial_and_not_the_next(
    mib: int, config: TrialConfig, wide_bert: Path, memory_left: MemoryLeft
) -> None:
    """It runs out as the weights move to the GPU, in the first step, and in the optimiser's step."""
    list(replicates(config))  # memory that the libraries take once in a process
    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved()
    with memory_left(before + mib * MIB):
        (last,) = replicates(_wide(config, wide_bert))
        assert last.outcome is Outcome.FAILED
        assert last.reason.startswith("out of memory: CUDA out of memory. Tried to allocate")
        assert last.detail.startswith("Traceback")
        assert torch.cuda.memory_reserved() <= before, "its memory is free again, for other processes too"
        assert all(evaluation.outcome is None for evaluation in replicates(config))
    assert all(evaluation.outcome is None for evaluation in replicates(_wide(config, wide_bert)))


def test_twenty_trials_need_no_more_memory_than_one(config: TrialConfig) -> None:
    trials = [
        config,
        TrialConfig.model_validate(config.model_dump() | {"loss": {"name": "soft_triple"}, "beta": 0.5}),
        TrialConfig.model_validate(config.model_dump() | {"loss": {"name": "supcon"}, "beta": 0.5}),
    ]
    held = []
    for number in range(20):
        with closing(replicates(trials[number % 3])) as evaluations:  # type: ignore[type-var]
            next(evaluations)
            if number % 2:  # every other trial is pruned
                assert [evaluation.outcome for evaluation in evaluations] == [None] * 3
        gc.collect()
        held.append(torch.cuda.memory_allocated())
    assert max(held[3:]) <= held[2]
    encoder.free_accelerator()
    assert torch.cuda.memory_allocated() < held[2]


def test_two_processes_share_a_gpu(config: TrialConfig, tmp_path: Path) -> None:
    """As with `resources: {gpu: 0.5}`: Ray only counts, and both processes see the same device."""
    path = tmp_path / "config.json"
    path.write_text(config.model_dump_json())
    command = [sys.executable, "-m", "trainable", str(path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=TIME_LIMIT)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    evaluations, twins = ([json.loads(line) for line in text.splitlines()] for text in said)
    assert [evaluation["outcome"] for evaluation in evaluations] == [None] * 4
    for evaluation, twin in zip(evaluations, twins, strict=True):
        assert evaluation["metrics"]["val_loss"] == twin["metrics"]["val_loss"]
        assert evaluation["metrics"]["train_loss"] == twin["metrics"]["train_loss"]
