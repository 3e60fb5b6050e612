"""The sampler: Optuna's proposals of new trials from the ranges of a cell."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from copy import copy

import optuna
from optuna.search_space import IntersectionSearchSpace
from optuna.trial import FrozenTrial

from sweep.search.study import study_of
from sweep.spec.cells import Cell
from trainable.ranges import Choice, FloatRange, Range, Scalar

__all__ = ["propose", "sampler", "startup_trials", "suggest"]

_ATTEMPTS = 12  # at a configuration that is new: another trial of one that was tried would score the same
_MODELLED = 3  # the first attempts; TPE may return to one place for ever, so the rest are drawn at random


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

    A configuration that an earlier trial has is proposed again only where no attempt finds another.

    It is proposed on a study in memory, so that the ledger records it as a whole: had a killed driver recorded only
    some of its values, a resumed one would draw the others from another state of the random generator.
    """
    known = [_as_read(cell, each) for each in earlier] if cell.is_conditional else earlier
    if len(earlier) <= len(first):
        given = (cell.default_params(), *first)[len(earlier)]
        return _asked(cell, known, sampler(seed, cell, len(earlier), budget), common, given)
    for attempt in range(_ATTEMPTS):
        trial, params = _asked(cell, known, sampler(seed, cell, len(earlier), budget, attempt), common)
        if all(each.params != trial.params for each in known):
            break
    return trial, params


def _as_read(cell: Cell, trial: FrozenTrial) -> FrozenTrial:
    """A trial with the values that it reads, in the order of `suggest`; earlier versions proposed all of them."""
    params = {name: trial.params[name] for name in _names_read(cell, trial.params)}
    if list(params) == list(trial.params):
        return trial
    read = copy(trial)
    read.params, read.distributions = params, {name: trial.distributions[name] for name in params}
    return read


def _names_read(cell: Cell, params: Mapping[str, Scalar]) -> Iterator[str]:
    """Optuna's names of the fields that a trial with these values reads."""
    searched = len(cell.spaces) > 1
    loss = str(params["loss"]) if searched else next(iter(cell.spaces))
    flat: dict[str, Scalar] = {"loss": loss} if searched else {}
    yield from flat
    for name in cell.spaces[loss]:
        own = _optuna_name(cell, loss, name)
        if own in params and cell.reads(name, flat):
            flat[name] = params[own]
            yield own


def _asked(
    cell: Cell,
    earlier: Sequence[FrozenTrial],
    chosen: optuna.samplers.BaseSampler,
    common: IntersectionSearchSpace | None,
    given: Mapping[str, Scalar] | None = None,
) -> tuple[FrozenTrial, dict[str, Scalar]]:
    """What a sampler proposes after earlier trials; the given values, if any."""
    if common is not None and isinstance(chosen, optuna.samplers.TPESampler):
        chosen._search_space = common  # a new sampler compares the ranges of all trials anew
    study = study_of(earlier, chosen)
    if given is not None:
        study.enqueue_trial(_in_optunas_names(cell, given))
    trial = study.ask()
    params = suggest(trial, cell)
    return study._storage.get_trial(trial._trial_id), params


def sampler(seed: int, cell: Cell, number: int, budget: int, attempt: int = 0) -> optuna.samplers.BaseSampler:
    """The sampler for trial `number` of a cell: TPE, or each configuration once if the budget covers all of them; for
    late attempts at a new configuration, a random one.

    Each trial has a new sampler with a seed of its own, so that a proposal depends on the ledger alone: a sweep that
    was killed and resumed proposes the same trials as one that was not interrupted. So has each attempt at a proposal.
    """
    named = f"{seed}\n{cell.key}\n{number}" + (f"\n{attempt}" if attempt else "")
    digest = hashlib.sha256(named.encode()).digest()
    own_seed = int.from_bytes(digest[:4], "big")
    with warnings.catch_warnings():
        # These options are years old, but still marked experimental; we pin them because their defaults have changed.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if attempt >= _MODELLED:
            return optuna.samplers.RandomSampler(seed=own_seed)
        if cell.size() <= budget:
            return optuna.samplers.BruteForceSampler(seed=own_seed)
        return optuna.samplers.TPESampler(
            seed=own_seed,
            n_startup_trials=startup_trials(budget),
            multivariate=True,
            group=cell.is_conditional,
            constant_liar=True,  # running trials count as bad, so that parallel workers do not crowd one place
        )


def startup_trials(budget: int) -> int:
    """Number of trials of a cell drawn at random before TPE models them: half of a small budget, between 4 and 10."""
    return max(4, min(10, budget // 2))


def suggest(trial: optuna.Trial, cell: Cell) -> dict[str, Scalar]:
    """Optuna's values for the fields that a cell searches and that the trial reads, by flat name; `loss` is among them
    if it is searched."""
    searched = len(cell.spaces) > 1
    losses = list(cell.spaces)
    loss = trial.suggest_categorical("loss", losses) if searched else losses[0]
    params: dict[str, Scalar] = {"loss": loss} if searched else {}
    for name, values in cell.spaces[loss].items():
        if cell.reads(name, params):
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
