"""Warm starts: the first trials of a cell, taken from the best ones of earlier sweeps.

What wins on one dataset is often good on another, so a few trials there save a search most of its random beginning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from math import inf, log2
from pathlib import PurePath

from sweep.records.trial import TrialRecord
from sweep.search.sampler import startup_trials
from sweep.spec.cells import Cell
from sweep.spec.spaces import nearest
from trainable.config import TrialConfig
from trainable.outcomes import Outcome
from trainable.ranges import Choice, Range, Scalar

__all__ = ["FirstTrial", "first_trials", "most_first_trials"]


@dataclass(frozen=True, slots=True)
class FirstTrial:
    """A configuration that a cell tries after its defaults.

    params: the searched fields, by flat name.
    origin: the trial that it comes from, as `SWEEP/CELL#NUMBER`.
    """

    params: Mapping[str, Scalar]
    origin: str


def first_trials(cell: Cell, earlier: Mapping[str, Sequence[TrialRecord]], budget: int) -> tuple[FirstTrial, ...]:
    """The configurations that a cell tries after its defaults, at most `most_first_trials`.

    earlier: the trials of other sweeps, by the sweep's name.
    budget: number of trials that the cell may have.

    They are the best of each earlier cell by validation score, then the second best and so on; cells of the same
    dataset come first, then those with the nearest number of labels. Only trials by the same recipe, loss and encoder
    serve, and of low-rank updates only those that trained such updates, whose learning rates are others. A number
    outside the range of this search is moved to its end, and a choice that it lacks rules a trial out.
    """
    ours = cell.default_config()
    ranked = [_best_first(name, trials) for name, all_trials in earlier.items() for trials in _by_cell(all_trials)]
    nearest = sorted(ranked, key=lambda trials: _distance(ours, trials[0][1].config))
    found: list[FirstTrial] = []
    tried = [cell.default_params()]
    for origin, trial in (each for rank in zip_longest(*nearest) for each in rank if each is not None):
        params = _moved_into(cell, trial.config)
        if params is not None and params not in tried:
            tried.append(params)
            found.append(FirstTrial(params, f"{origin}/{trial.key}"))
    return tuple(found[: most_first_trials(budget)])


def most_first_trials(budget: int) -> int:
    """How many trials other sweeps may suggest: half of those that are drawn at random before TPE models them, so that
    a search still sees something else."""
    return startup_trials(budget) // 2


def _by_cell(trials: Sequence[TrialRecord]) -> Iterator[list[TrialRecord]]:
    """The completed trials of each cell that have a score."""
    found: dict[str, list[TrialRecord]] = {}
    for trial in trials:
        if trial.outcome is Outcome.COMPLETED and trial.score is not None:
            found.setdefault(trial.cell, []).append(trial)
    yield from found.values()


def _best_first(sweep: str, trials: Sequence[TrialRecord]) -> list[tuple[str, TrialRecord]]:
    return [(sweep, trial) for trial in sorted(trials, key=lambda trial: (-(trial.score or 0.0), trial.number))]


def _distance(ours: TrialConfig, theirs: TrialConfig) -> tuple[bool, float]:
    return ours.dataset.name != theirs.dataset.name, _apart(ours.shots, theirs.shots)


def _apart(ours: object, theirs: object) -> float:
    """How many doublings lie between two numbers of labels; infinitely many if one is no number, as `all`."""
    if ours == theirs:
        return 0.0
    return abs(log2(ours / theirs)) if isinstance(ours, int) and isinstance(theirs, int) else inf


def _moved_into(cell: Cell, config: TrialConfig) -> dict[str, Scalar] | None:
    """The fields that the cell searches as another trial had them; None if that trial cannot be one of the cell.

    A field that the other trial does not have stands at its default.
    """
    flat = config.flat()
    key = str(flat["loss"] if flat.get("loss") in cell.spaces else flat["recipe"])
    space = cell.spaces.get(key)
    if space is None or cell.fixed[key]["recipe"] != flat["recipe"] or not _trains_alike(cell.fixed[key], config):
        return None
    first = cell.defaults(key)
    moved = {name: _offered(values, flat.get(name, first[name])) for name, values in space.items()}
    usable = {name: value for name, value in moved.items() if value is not None}
    return cell.as_read({**first, **usable}) if len(usable) == len(moved) else None


def _trains_alike(fixed: Mapping[str, Scalar], config: TrialConfig) -> bool:
    """Whether a trial has the encoder that these fields fix, wherever its folder lies, and trains the same of it, all
    weights or updates of low rank; what is searched is a choice."""
    same = "encoder" not in fixed or PurePath(str(fixed["encoder"])).name == PurePath(config.encoder or "").name
    return same and ("lora_rank" not in fixed or bool(fixed["lora_rank"]) == bool(config.lora_rank))


def _offered(values: Range, value: Scalar) -> Scalar | None:
    """The value of the range that is nearest to this one; None for a choice that it lacks."""
    return None if isinstance(values, Choice) and value not in values.values else nearest(values, value)
