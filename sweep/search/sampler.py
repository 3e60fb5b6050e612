"""The sampler: Optuna's proposals of new trials from the ranges of a cell."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence

import optuna
from optuna.search_space import IntersectionSearchSpace
from optuna.trial import FrozenTrial

from sweep.spec.cells import Cell
from trainable.ranges import Choice, FloatRange, Range, Scalar

__all__ = ["propose", "sampler", "startup_trials", "suggest"]


def propose(
    cell: Cell,
    earlier: Sequence[FrozenTrial],
    *,
    seed: int,
    budget: int,
    common: IntersectionSearchSpace | None = None,
    first: Sequence[Mapping[str, Scalar]] = (),
) -> tuple[FrozenTrial, dict[str, Scalar]]:
    """The next trial of a cell, as Optuna's trial and as values by flat name.

    cell: the cell; its first trial has the published defaults.
    earlier: all its trials so far, numbered from 0. They are read only.
    seed: of the sweep.
    budget: number of trials that the cell may have.
    common: remembers from call to call what the trials of the cell have in common, and saves time alone.
    first: configurations that are tried right after the defaults, by flat name.

    It is proposed on a study in memory, so that the ledger records it as a whole: had a killed driver recorded only
    some of its values, a resumed one would draw the others from another state of the random generator.
    """
    chosen = sampler(seed, cell, len(earlier), budget)
    if common is not None and isinstance(chosen, optuna.samplers.TPESampler):
        chosen._search_space = common  # a new sampler compares the ranges of all trials anew
    study = _study_of(earlier, chosen)
    if len(earlier) <= len(first):
        study.enqueue_trial(_in_optunas_names(cell, (cell.default_params(), *first)[len(earlier)]))
    trial = study.ask()
    params = suggest(trial, cell)
    return study._storage.get_trial(trial._trial_id), params


def _study_of(earlier: Sequence[FrozenTrial], chosen: optuna.samplers.BaseSampler) -> optuna.Study:
    """A study in memory of trials that are on record. Added in Optuna's way, each of them would be copied in depth,
    which takes ten times as long as the proposal itself where there are a thousand of them."""
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(direction="maximize", storage=storage, sampler=chosen)
    storage._studies[study._study_id].trials.extend(earlier)
    return study


def sampler(seed: int, cell: Cell, number: int, budget: int) -> optuna.samplers.BaseSampler:
    """The sampler for trial `number` of a cell: TPE, or each configuration once if the budget covers all of them.

    Each trial has a new sampler with a seed of its own, so that a proposal depends on the ledger alone: a sweep that
    was killed and resumed proposes the same trials as one that was not interrupted.
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
    """Number of trials of a cell drawn at random before TPE models them: half of a small budget, between 4 and 10."""
    return max(4, min(10, budget // 2))


def suggest(trial: optuna.Trial, cell: Cell) -> dict[str, Scalar]:
    """Optuna's values for all fields that a cell searches, by flat name; `loss` is among them if it is searched."""
    searched = len(cell.spaces) > 1
    losses = list(cell.spaces)
    loss = trial.suggest_categorical("loss", losses) if searched else losses[0]
    params: dict[str, Scalar] = {"loss": loss} if searched else {}
    for name, values in cell.spaces[loss].items():
        params[name] = _suggest(trial, _optuna_name(cell, loss, name), values)
    return params


def _in_optunas_names(cell: Cell, params: Mapping[str, Scalar]) -> dict[str, Scalar]:
    loss = str(params.get("loss", next(iter(cell.spaces))))
    return {name if name == "loss" else _optuna_name(cell, loss, name): value for name, value in params.items()}


def _optuna_name(cell: Cell, loss: str, name: str) -> str:
    """Optuna's name of a field; in a conditional space it begins with the loss.

    Losses share field names but not ranges, and Optuna allows a name one range only.
    """
    return f"{loss}:{name}" if len(cell.spaces) > 1 else name


def _suggest(trial: optuna.Trial, name: str, values: Range) -> Scalar:
    if isinstance(values, Choice):
        return trial.suggest_categorical(name, values.values)
    if isinstance(values, FloatRange):
        return trial.suggest_float(name, values.low, values.high, log=values.log)
    return trial.suggest_int(name, values.low, values.high, log=values.log)
