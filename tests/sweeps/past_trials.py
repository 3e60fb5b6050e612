"""Cells with thousands of trials behind them, for the tests and the benchmark of proposals."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from sweep.search.sampler import suggest
from sweep.spec.cells import Cell, cells
from sweep.spec.model import SweepSpec

__all__ = ["SPACES", "past_trials", "searched_cell"]

_RATES = {"encoder_lr": {"low": 1e-5, "high": 1e-3, "log": True}, "head_lr": {"low": 1e-4, "high": 1e-2, "log": True}}

SPACES: Mapping[str, Mapping[str, Any]] = {
    "one loss": {
        "loss": ["soft_triple"],
        **_RATES,
        "weight_decay": {"low": 0.0, "high": 0.1},
        "batch_size": [8, 16, 32],
    },
    "searched loss": {
        "loss": ["cross_entropy", "soft_triple", "supcon"],
        **_RATES,
        "warmup": {"low": 0.0, "high": 0.3},
    },
    "few configurations": {"loss": ["cross_entropy"], "batch_size": [4, 8, 16, 32, 64], "frozen_layers": [0, 1, 2]},
    "frozen encoder": {"frozen": {}},
    "few of a frozen encoder": {"frozen": {"head": ["centroid", "neighbours"]}},
}
"""By what is special of them, what the trials of a cell choose from."""


def searched_cell(kind: str) -> Cell:
    """The one cell of a sweep that searches the space of this name, beside what a loss brings."""
    spec = SweepSpec.model_validate(
        {
            "name": "proposals",
            "datasets": {"support": {}},
            "compare": {
                "dataset": ["support"],
                "shots": [4],
                "recipe": ["frozen" if "frozen" in SPACES[kind] else "fine_tune"],
            },
            "trial": {"encoder": "tiny"},
            "protocol": {"replicates": 4, "evaluations": 2, "steps": 4}
            if "loss" in SPACES[kind]
            else {"replicates": 4},
            "search": SPACES[kind],
        }
    )
    (cell,) = cells(spec)
    return cell


def past_trials(cell: Cell, number: int, *, running: int = 0) -> list[FrozenTrial]:
    """So many trials of a cell with random values and scores, as a ledger holds them: two of five were pruned, a few
    have failed, and the last ones still run."""
    chance = random.Random(0)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    for position in range(number):
        asked = study.ask()
        params = suggest(asked, cell)
        trial = study._storage.get_trial(asked._trial_id)
        trial.user_attrs = {"config": cell.config(params).flat(), "params": params}
        trial.system_attrs = {"tpe:relative_params:0": json.dumps(trial.params)}
        trial.intermediate_values = {1: chance.random()}
        state = chance.choices([TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL], (55, 40, 5))[0]
        if position < number - running:
            trial.state, trial.datetime_complete = state, trial.datetime_start
            trial.value = chance.random() if state is TrialState.COMPLETE else None
    return study.get_trials(deepcopy=False)
