"""Cells: the combinations of the compared axes. Trials compete only inside their own cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from math import prod
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from sweep.spec.fields import is_used
from trainable.config import DatasetConfig, TrialConfig
from trainable.losses import LOSSES
from trainable.ranges import Choice, FloatRange, IntRange, Range, Scalar

if TYPE_CHECKING:
    from sweep.spec.model import SweepSpec

__all__ = ["Cell", "cells", "combinations"]

_NAMED = ("dataset", "shots", "loss")  # what every key begins with
_SEARCHED = "searched"  # the loss in the key of a cell that searches over several


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One combination of the compared fields.

    key: dataset/shots/loss[/field=value ...]; the loss is `searched` where the search chooses it. fixed: by loss, the
    flat fields of a trial (`TrialConfig.flat`) that are equal for all trials with that loss. spaces: by loss, the range
    of each flat field that is searched. With several losses, the loss is searched too.
    """

    key: str
    fixed: Mapping[str, Mapping[str, Scalar]]
    spaces: Mapping[str, Mapping[str, Range]]

    def config(self, params: Mapping[str, Scalar]) -> TrialConfig:
        """The trial with these values of the searched fields by flat name, `loss` among them where it is searched."""
        loss = str(params.get("loss", next(iter(self.spaces))))
        return TrialConfig.from_flat({**self.fixed[loss], **params, "loss": loss})

    def default_params(self) -> dict[str, Scalar]:
        """The defaults that the papers publish, as near as the ranges allow: what the first trial of a cell tries."""
        loss, space = next(iter(self.spaces.items()))
        params: dict[str, Scalar] = {"loss": loss} if len(self.spaces) > 1 else {}
        return params | {name: _nearest(values, _published(loss).get(name)) for name, values in space.items()}

    def default_config(self) -> TrialConfig:
        """The configuration with the published defaults: the first trial of the cell."""
        return self.config(self.default_params())

    def inputs(self) -> Iterator[TrialConfig]:
        """Configurations that have every dataset and every encoder of the cell's trials between them."""
        for loss, space in self.spaces.items():
            choices = {name: values.values for name, values in space.items() if isinstance(values, Choice)}
            read = {name: choices[name] for name in ("encoder", "encoder_revision") if name in choices}
            first = {name: _nearest(values, _published(loss).get(name)) for name, values in space.items()}
            for values in product(*read.values()):
                yield self.config({**first, "loss": loss, **dict(zip(read, values, strict=True))})

    def size(self) -> int:
        """How many different configurations the cell has; more than any budget where a real number is searched."""
        return sum(prod(map(_count, space.values())) for space in self.spaces.values())

    def trials(self, budget: int) -> int:
        """How many trials the cell gets of a budget: never more than it has configurations."""
        return min(budget, self.size())

    def cost(self) -> int:
        """The size of a trial in rows, to order cells by: training on a row costs three times as much as scoring it."""
        config = self.default_config()
        rows = config.shots * (1 if config.sampling == "random" else _TYPICAL_CLASSES)
        scored = {"all": _TYPICAL_POOL, "shots": rows}.get(str(config.validation), config.validation)
        assert isinstance(scored, int)
        return config.replicates * (3 * config.steps * min(config.batch_size, rows) + config.evaluations * scored)


_TYPICAL_CLASSES, _TYPICAL_POOL = 4, 2000  # what the configuration alone does not tell


def cells(spec: SweepSpec) -> tuple[Cell, ...]:
    """The cells of a spec, in the order of its axes. Combinations that differ in what a loss ignores are one cell."""
    return tuple({cell.key: cell for cell in combinations(spec)}.values())


def combinations(spec: SweepSpec) -> Iterator[Cell]:
    """The product of the axes. A key comes twice where a loss ignores what an axis compares."""
    losses = _losses(spec)
    others = {name: values for name, values in spec.compare.items() if name != "loss"}
    for values in product(*others.values()):
        for group in losses:
            yield _cell(spec, dict(zip(others, values, strict=True)), group)


# ---- one cell --------------------------------------------------------------------------------------------------------


def _losses(spec: SweepSpec) -> list[tuple[str, ...]]:
    """The losses of each cell that shares its other axes: one in each, or all in one where they are searched."""
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
        used = {
            name: value for name, value in {**fields, **values, **own}.items() if is_used(name, loss, compatibility)
        }
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
    others = [
        name for name in axes if name not in _NAMED and any(is_used(name, each, compatibility) for each in losses)
    ]
    return "/".join(
        [str(fields["dataset"]), str(fields["shots"]), loss, *(f"{name}={_short(axes[name])}" for name in others)]
    )


def _short(value: Scalar) -> str:
    """A folder by its name, since cells are named after what they compare and not after where it lies."""
    return PurePath(value).name if isinstance(value, str) and value.startswith("/") else str(value)


# ---- the first trial of a cell ---------------------------------------------------------------------------------------


@cache
def _published(loss: str) -> Mapping[str, Scalar]:
    """The defaults of every field that can be searched, by flat name."""
    dataset = DatasetConfig(name="any")
    flat = TrialConfig.model_validate({"dataset": dataset, "shots": 1, "encoder": "any", "loss": {"name": loss}}).flat()
    return {"head_lr": flat["encoder_lr"], **flat}


def _count(values: Range) -> int:
    """How many different values a range holds; of real numbers more than any budget asks for."""
    if isinstance(values, Choice):
        return len(values.values)
    return values.high - values.low + 1 if isinstance(values, IntRange) else 10**9


def _nearest(values: Range, default: Any) -> Scalar:
    """The value of a range that is nearest to the default; without a nearest one, the first."""
    if not isinstance(values, Choice):
        low, high = values.low, values.high
        return low if default is None else min(max(default, low), high)
    if default in values.values or not isinstance(default, int | float):
        return default if default in values.values else values.values[0]
    numbers = [value for value in values.values if isinstance(value, int | float)]
    return min(numbers, key=lambda value: abs(value - default), default=values.values[0])
