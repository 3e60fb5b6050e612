"""From the ranges of a cell to Optuna's proposals."""

from __future__ import annotations

import copy
import hashlib
import warnings
from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial

from sweep.spec.cells import Cell
from trainable.ranges import Choice, FloatRange, Range, Scalar

__all__ = ["propose", "sampler", "startup_trials", "suggest"]


def propose(
    cell: Cell, earlier: Sequence[FrozenTrial], *, seed: int, budget: int
) -> tuple[FrozenTrial, dict[str, Scalar]]:
    """The next trial of a cell after all `earlier` ones, as Optuna has it, and its values by flat name. The first one
    has the published defaults.

    It is proposed on a copy in memory, so that it can be recorded whole: of a trial of which only some values are on
    record, the others would be drawn with another state of the random generator.
    """
    study = optuna.create_study(direction="maximize", sampler=sampler(seed, cell, len(earlier), budget))
    study.add_trials(map(_without_reports, earlier))
    if not earlier:
        study.enqueue_trial(_defaults(cell))
    params = suggest(study.ask(), cell)
    return study.trials[-1], params


def _without_reports(trial: FrozenTrial) -> FrozenTrial:
    """What a sampler looks at: our attributes are many, and copied with a trial."""
    lean = copy.copy(trial)
    lean.user_attrs = {}
    return lean


def sampler(seed: int, cell: Cell, number: int, budget: int) -> optuna.samplers.BaseSampler:
    """What proposes trial `number` of `cell`: TPE, or each configuration once where the budget covers them all.

    It is made anew for each trial from a seed of its own, so that a proposal depends on the ledger alone: a sweep that
    was killed and resumed proposes what the undisturbed one would have proposed.
    """
    digest = hashlib.sha256(f"{seed}\n{cell.key}\n{number}".encode()).digest()
    own_seed = int.from_bytes(digest[:4], "big")
    with warnings.catch_warnings():
        # These options are years old, but still marked experimental; we pin them because their defaults have changed.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if cell.size() <= budget:
            return optuna.samplers.BruteForceSampler(seed=own_seed)
        return optuna.samplers.TPESampler(
            seed=own_seed,
            n_startup_trials=startup_trials(budget),
            multivariate=True,
            group=len(cell.spaces) > 1,  # only a cell that searches over losses has a conditional space
            constant_liar=True,  # running trials count as bad, so that parallel workers do not crowd one place
        )


def startup_trials(budget: int) -> int:
    """How many trials of a cell are drawn at random before TPE models them: half of a small budget, at most 10."""
    return max(4, min(10, budget // 2))


def suggest(trial: optuna.Trial, cell: Cell) -> dict[str, Scalar]:
    """Values for all fields that `cell` searches, by flat name; `loss` is among them where it is searched."""
    searched = len(cell.spaces) > 1
    losses = list(cell.spaces)
    loss = trial.suggest_categorical("loss", losses) if searched else losses[0]
    params: dict[str, Scalar] = {"loss": loss} if searched else {}
    for name, values in cell.spaces[loss].items():
        params[name] = _suggest(trial, _optuna_name(cell, loss, name), values)
    return params


def _defaults(cell: Cell) -> dict[str, Scalar]:
    """The published defaults of the cell, under Optuna's names."""
    params = cell.default_params()
    loss = str(params.get("loss", next(iter(cell.spaces))))
    return {name if name == "loss" else _optuna_name(cell, loss, name): value for name, value in params.items()}


def _optuna_name(cell: Cell, loss: str, name: str) -> str:
    """Optuna's name of a field. Losses share field names but not ranges, so a conditional space sets the loss before
    it."""
    return f"{loss}:{name}" if len(cell.spaces) > 1 else name


def _suggest(trial: optuna.Trial, name: str, values: Range) -> Scalar:
    if isinstance(values, Choice):
        return trial.suggest_categorical(name, values.values)
    if isinstance(values, FloatRange):
        return trial.suggest_float(name, values.low, values.high, log=values.log)
    return trial.suggest_int(name, values.low, values.high, log=values.log)
