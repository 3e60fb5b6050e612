"""Cells: the combinations of the compared axes. Trials compete only within their own cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from math import prod
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from sweep.spec.fields import PLACES, is_used
from trainable.config import DatasetConfig, TrialConfig
from trainable.losses import LOSSES
from trainable.ranges import Choice, FloatRange, IntRange, Range, Scalar

if TYPE_CHECKING:
    from sweep.spec.model import SweepSpec

__all__ = ["Cell", "cells", "combinations"]

_NAMED = ("dataset", "shots", "loss")  # every key begins with their values
_SEARCHED = "searched"  # the loss in the key of a cell that searches over several


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One combination of the compared fields.

    key: `dataset/shots/loss[/field=value ...]`; the loss is `searched` if the cell searches over several.
    fixed: for each loss, the flat fields (`TrialConfig.flat`) that all its trials share.
    spaces: for each loss, the search range of every other flat field. With several losses, the loss is searched too.
    """

    key: str
    fixed: Mapping[str, Mapping[str, Scalar]]
    spaces: Mapping[str, Mapping[str, Range]]

    def config(self, params: Mapping[str, Scalar]) -> TrialConfig:
        """The trial with these values of the searched fields, by flat name; a searched `loss` is one of them."""
        loss = str(params.get("loss", next(iter(self.spaces))))
        return TrialConfig.from_flat({**self.fixed[loss], **params, "loss": loss})

    def placed(self, flat: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """The flat fields of a recorded trial, with the paths of the cell's data and encoder as they are now."""
        fixed = self.fixed[str(flat["loss"])]
        return {**flat, **{name: fixed[name] for name in PLACES if name in flat and name in fixed}}

    def default_params(self) -> dict[str, Scalar]:
        """The defaults that the papers publish, moved into the ranges: the first trial of a cell tries them."""
        loss, space = next(iter(self.spaces.items()))
        params: dict[str, Scalar] = {"loss": loss} if len(self.spaces) > 1 else {}
        return params | {name: _nearest(values, _published(loss).get(name)) for name, values in space.items()}

    def default_config(self) -> TrialConfig:
        """The configuration with the published defaults: the first trial of the cell."""
        return self.config(self.default_params())

    def inputs(self) -> Iterator[TrialConfig]:
        """Configurations that together name every dataset and every encoder that a trial of the cell may use."""
        yield from self._choosing("encoder", "encoder_revision")

    def hardest(self) -> Iterator[TrialConfig]:
        """Configurations of which one is refused if any trial of the cell would be: with each encoder and embedding,
        the longest input, the smallest batch, and the metric loss at its largest weight."""
        yield from self._choosing("encoder", "encoder_revision", "embedding", max_length=max, batch_size=min, beta=min)

    def _choosing(self, *chosen: str, **ends: Callable[[Sequence[Any]], Any]) -> Iterator[TrialConfig]:
        """For each loss, the first trial with every combination of the choices of `chosen`; a field of `ends` stands
        at that end of its range."""
        for loss, space in self.spaces.items():
            first = {name: _nearest(values, _published(loss).get(name)) for name, values in space.items()}
            first |= {name: end(_ends(space[name])) for name, end in ends.items() if name in space}
            choices = {name: each.values for name in chosen if isinstance(each := space.get(name), Choice)}
            for combination in product(*choices.values()):
                yield self.config({**first, "loss": loss, **dict(zip(choices, combination, strict=True))})

    def size(self) -> int:
        """The number of different configurations; larger than any budget if a real number is searched."""
        return sum(prod(map(_count, space.values())) for space in self.spaces.values())

    def trials(self, budget: int) -> int:
        """The number of trials of the cell: the budget, but never more than the cell has configurations."""
        return min(budget, self.size())

    def cost(self) -> int:
        """The cost of a trial in scored rows, by which cells are ordered; training on a row costs as much as scoring
        three."""
        config = self.default_config()
        rows = config.shots * (1 if config.sampling == "random" else _TYPICAL_CLASSES)
        scored = {"all": _TYPICAL_POOL, "shots": rows}.get(str(config.validation), config.validation)
        assert isinstance(scored, int)
        return config.replicates * (3 * config.steps * min(config.batch_size, rows) + config.evaluations * scored)


_TYPICAL_CLASSES, _TYPICAL_POOL = 4, 2000  # assumed, since a configuration does not tell them


def cells(spec: SweepSpec) -> tuple[Cell, ...]:
    """The cells of a spec in the order of its axes. Combinations that differ only in what a loss ignores are one."""
    return tuple({cell.key: cell for cell in combinations(spec)}.values())


def combinations(spec: SweepSpec) -> Iterator[Cell]:
    """A cell for each combination of the axes. Those that differ only in what a loss ignores have the same key."""
    losses = _losses(spec)
    others = {name: values for name, values in spec.compare.items() if name != "loss"}
    for values in product(*others.values()):
        for group in losses:
            yield _cell(spec, dict(zip(others, values, strict=True)), group)


# ---- one cell --------------------------------------------------------------------------------------------------------


def _losses(spec: SweepSpec) -> list[tuple[str, ...]]:
    """The losses of every cell of one combination of the other axes: a compared loss has a cell of its own, losses that
    are searched over share one."""
    if "loss" in spec.compare:
        return [(str(loss),) for loss in spec.compare["loss"]]
    searched = spec.search.get("loss", spec.trial.get("loss"))
    return [tuple(map(str, searched.values))] if isinstance(searched, Choice) else [(str(searched),)]


def _cell(spec: SweepSpec, axes: Mapping[str, Scalar], losses: tuple[str, ...]) -> Cell:
    fields = {**spec.trial, **spec.protocol.model_dump(), **axes}
    values = {name: value for name, value in spec.search.items() if name not in LOSSES and name != "loss"}
    fixed: dict[str, Mapping[str, Scalar]] = {}
    spaces: dict[str, Mapping[str, Range]] = {}
    compatibility = str(fields.get("compatibility", "none"))
    for loss in losses:
        own = {f"loss.{name}": value for name, value in _loss_fields(spec, loss).items()}
        given = {**fields, **values, **own}
        used = {name: value for name, value in given.items() if is_used(name, loss, compatibility)}
        spaces[loss] = {name: value for name, value in used.items() if _is_range(value)}
        constants = {name: value for name, value in used.items() if not _is_range(value)}
        fixed[loss] = {**constants, **_flat(spec.datasets[str(fields["dataset"])]), "loss": loss}
    return Cell(key=_key(fields, axes, losses), fixed=fixed, spaces=spaces)


def _loss_fields(spec: SweepSpec, loss: str) -> Mapping[str, Any]:
    fields = spec.search.get(loss, {})
    assert isinstance(fields, Mapping)
    return fields


def _is_range(value: object) -> bool:
    return isinstance(value, FloatRange | IntRange | Choice)


def _flat(config: DatasetConfig) -> dict[str, Scalar]:
    given = config.model_dump(mode="json", exclude_defaults=True)
    return {"dataset" if name == "name" else f"dataset.{name}": value for name, value in given.items()}


def _key(fields: Mapping[str, Any], axes: Mapping[str, Scalar], losses: tuple[str, ...]) -> str:
    loss = losses[0] if len(losses) == 1 else _SEARCHED
    compatibility = str(fields.get("compatibility", "none"))
    used = [name for name in axes if any(is_used(name, own, compatibility) for own in losses)]
    others = [f"{name}={_short(axes[name])}" for name in used if name not in _NAMED]
    return "/".join([str(fields["dataset"]), str(fields["shots"]), loss, *others])


def _short(value: Scalar) -> str:
    """The value as a key shows it: a folder by its last name, wherever it lies."""
    return PurePath(value).name if isinstance(value, str) and value.startswith("/") else str(value)


# ---- the first trial of a cell ---------------------------------------------------------------------------------------


@cache
def _published(loss: str) -> Mapping[str, Scalar]:
    """The default of every field that can be searched, by flat name."""
    dataset = DatasetConfig(name="any")
    flat = TrialConfig.model_validate({"dataset": dataset, "shots": 1, "encoder": "any", "loss": {"name": loss}}).flat()
    return {"head_lr": flat["encoder_lr"], "embedding": "cls", **flat}


def _count(values: Range) -> int:
    """The number of different values in a range; for real numbers, more than any budget asks for."""
    if isinstance(values, Choice):
        return len(values.values)
    return values.high - values.low + 1 if isinstance(values, IntRange) else 10**9


def _ends(values: Range) -> Sequence[Any]:
    return values.values if isinstance(values, Choice) else (values.low, values.high)


def _nearest(values: Range, default: Any) -> Scalar:
    """The value of a range that is nearest to the default; its first value if there is no number to compare."""
    if not isinstance(values, Choice):
        low, high = values.low, values.high
        return low if default is None else min(max(default, low), high)
    if default in values.values or not isinstance(default, int | float):
        return default if default in values.values else values.values[0]
    numbers = [value for value in values.values if isinstance(value, int | float)]
    return min(numbers, key=lambda value: abs(value - default), default=values.values[0])
