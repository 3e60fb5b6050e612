"""Cells: the combinations of the compared axes. Trials compete only within their own cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, product
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from sweep.spec.defaults import AUTO, DEFAULT_RANGES
from sweep.spec.fields import OWN_FIELDS, PLACES, is_used
from sweep.spec.spaces import configurations, deciding, ends_of, middle, nearest, reads
from trainable.config import DatasetConfig, TrialConfig
from trainable.losses import LOSSES
from trainable.ranges import Choice, FloatRange, IntRange, Range, Scalar
from trainable.recipes import RECIPES, method_name

if TYPE_CHECKING:
    from sweep.spec.model import SweepSpec

__all__ = ["Cell", "cells", "combinations", "grid", "methods"]

_NAMED = ("dataset", "shots", "recipe", "loss")  # every key begins with their values
_SEARCHED = "searched"  # the loss in the key of a cell that searches over several


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One combination of the compared fields.

    key: `dataset/shots/method[/field=value ...]`.
    axes: the last parts of the key: the values of the other compared fields that its trials read.
    method: the name of the recipe with its loss (`trainable.recipes.method_name`); the loss is `searched` if the cell
        searches over several.
    fixed: for each loss, the flat fields (`TrialConfig.flat`) that all its trials share; under the recipe's name where
        it has no loss.
    spaces: for each loss, the search range of every other flat field; those that are read only where another one has
        certain values come last. With several losses, the loss is searched too.
    """

    key: str
    axes: tuple[str, ...]
    method: str
    fixed: Mapping[str, Mapping[str, Scalar]]
    spaces: Mapping[str, Mapping[str, Range]]

    @property
    def dataset(self) -> str:
        """The name of the dataset of all its trials."""
        return str(next(iter(self.fixed.values()))["dataset"])

    @property
    def recipe(self) -> str:
        """The name of the recipe of all its trials."""
        return str(next(iter(self.fixed.values()))["recipe"])

    def config(self, params: Mapping[str, Scalar]) -> TrialConfig:
        """The trial with these values of the searched fields, by flat name; a searched `loss` is one of them."""
        return TrialConfig.from_flat({**self._fixed_for(params), **params})

    def _fixed_for(self, flat: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        return self.fixed[str(flat["loss"])] if len(self.fixed) > 1 else next(iter(self.fixed.values()))

    def placed(self, flat: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """The flat fields of a recorded trial, with the paths of the cell's data and encoder as they are now."""
        fixed = self._fixed_for(flat)
        return {**flat, **{name: fixed[name] for name in PLACES if name in flat and name in fixed}}

    def default_params(self) -> dict[str, Scalar]:
        """The defaults that the papers publish, moved into the ranges, with the first of several losses: the first
        trial of a cell tries them."""
        return self.as_read(self.defaults(next(iter(self.spaces))))

    def as_read(self, params: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """Values of the searched fields without those that the trial would not read."""
        return {name: value for name, value in params.items() if self.reads(name, params)}

    @property
    def is_conditional(self) -> bool:
        """Whether the fields that a trial searches depend on the values of others."""
        return len(self.spaces) > 1 or any(map(deciding, self.fixed.values(), self.spaces.values()))

    def reads(self, name: str, params: Mapping[str, Scalar]) -> bool:
        """Whether a trial with these values of searched fields reads one more of them."""
        return reads(self._fixed_for(params), name, params)

    def default_config(self) -> TrialConfig:
        """The configuration with the published defaults: the first trial of the cell."""
        return self.config(self.default_params())

    def inputs(self) -> Iterator[TrialConfig]:
        """Configurations that together name every dataset and every encoder that a trial of the cell may use."""
        yield from self._choosing("encoder", "encoder_revision")

    def trained(self) -> Iterator[TrialConfig]:
        """Configurations that together name every encoder that a trial of the cell may use, and what is trained of it:
        its weights, or updates of low rank."""
        yield from self._choosing("encoder", "encoder_revision", "lora_rank")

    def hardest(self) -> Iterator[TrialConfig]:
        """Configurations that stand for all trials of the cell where it is checked: if any trial would be refused, one
        of these is. They have each encoder and embedding, the longest input, the smallest batch, the metric loss at its
        largest weight, and most layers frozen, new or changed otherwise."""
        ends = {"max_length": max, "batch_size": min, "beta": min}
        ends |= {"frozen_layers": max, "new_layers": max, "layer_decay": min, "lora_rank": max}
        yield from self._choosing("encoder", "encoder_revision", "embedding", **ends)

    def _choosing(self, *chosen: str, **ends: Callable[[Sequence[Any]], Any]) -> Iterator[TrialConfig]:
        """For each loss, the first trial with every combination of the choices of `chosen`; a field of `ends` stands
        at that end of its range."""
        for loss, space in self.spaces.items():
            first = self.defaults(loss)
            first |= {name: end(ends_of(space[name])) for name, end in ends.items() if name in space}
            choices = {name: each.values for name in chosen if isinstance(each := space.get(name), Choice)}
            for combination in product(*choices.values()):
                yield self.config({**first, **dict(zip(choices, combination, strict=True))})

    def defaults(self, loss: str) -> dict[str, Scalar]:
        """The values of the searched fields, read or not, that are nearest to the published defaults. The encoder's
        learning rate stands in the middle of its range, since no value suits all encoders."""
        fixed = self.fixed[loss]
        published = dict(_published(str(fixed["recipe"]), None if fixed.get("loss") is None else loss))
        if isinstance(rates := self.spaces[loss].get("encoder_lr"), FloatRange):
            published |= dict.fromkeys(("encoder_lr", "head_lr"), middle(rates))
        own = {name: nearest(values, published.get(name)) for name, values in self.spaces[loss].items()}
        return {"loss": loss, **own} if len(self.spaces) > 1 else own

    def size(self) -> int:
        """The number of different configurations; larger than any budget if a real number is searched."""
        return sum(configurations(self.fixed[loss], space) for loss, space in self.spaces.items())

    def trials(self, budget: int) -> int:
        """The number of trials of the cell: the budget, but never more than the cell has configurations."""
        return min(budget, self.size())

    def evaluations(self) -> int:
        """The number of evaluations of a whole trial, over all its replicates."""
        fixed = next(iter(self.fixed.values()))
        known = RECIPES[str(fixed["recipe"])].constants
        return int(str(fixed["replicates"])) * int(str(fixed.get("evaluations", known.get("evaluations"))))


def cells(spec: SweepSpec) -> tuple[Cell, ...]:
    """The cells of a spec in the order of its axes. Combinations that differ only in what a loss ignores are one."""
    return tuple({cell.key: cell for cell in combinations(spec)}.values())


def combinations(spec: SweepSpec) -> Iterator[Cell]:
    """A cell for each combination of the axes. Those that differ only in what a recipe or loss ignores have the same
    key, and a recipe meets only the losses that it takes."""
    yield from chain.from_iterable(grid(spec))


def grid(spec: SweepSpec) -> Iterator[tuple[Cell, ...]]:
    """For each combination of the axes other than recipe and loss, a cell for each method that is not excluded."""
    asked = [method for name, method in methods(spec).items() if name not in spec.exclude]
    others = {name: values for name, values in spec.compare.items() if name not in ("recipe", "loss")}
    for values in product(*others.values()):
        axes = dict(zip(others, values, strict=True))
        yield tuple(_cell(spec, axes, recipe, losses) for recipe, losses in asked)


def methods(spec: SweepSpec) -> dict[str, tuple[str, tuple[str, ...]]]:
    """The recipe and the losses of each method by its name, those that are excluded too."""
    compared = _losses(spec)
    recipes = map(str, spec.compare.get("recipe", (spec.trial.get("recipe"),)))
    pairs = ((recipe, losses) for recipe in recipes for losses in _taken(recipe, compared))
    return {_named(recipe, losses): (recipe, losses) for recipe, losses in pairs}


# ---- one cell --------------------------------------------------------------------------------------------------------


def _losses(spec: SweepSpec) -> list[tuple[str, ...]]:
    """The losses of every cell of one combination of the other axes: a compared loss has a cell of its own, losses that
    are searched over share one."""
    if "loss" in spec.compare:
        return [(str(loss),) for loss in spec.compare["loss"]]
    searched = spec.search.get("loss", spec.trial.get("loss"))
    if searched is None:
        return []
    return [tuple(map(str, searched.values))] if isinstance(searched, Choice) else [(str(searched),)]


def _taken(recipe: str, compared: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The losses of each cell of a recipe; one cell without any where it has no loss to choose."""
    entry = RECIPES[recipe]
    if entry.losses == "none":
        return [()]
    groups = (tuple(loss for loss in losses if entry.takes(LOSSES[loss])) for losses in compared)
    return [losses for losses in groups if losses]


def _cell(spec: SweepSpec, axes: Mapping[str, Scalar], recipe: str, losses: tuple[str, ...]) -> Cell:
    fields = {**spec.trial, **spec.protocol.model_dump(), **axes, "recipe": recipe}
    values = {name: value for name, value in spec.search.items() if name not in OWN_FIELDS and name != "loss"}
    if values.get("encoder_lr") == AUTO:  # until the encoder has been read
        values["encoder_lr"] = DEFAULT_RANGES["encoder_lr"]
    values |= _own_fields(spec, "recipe", recipe)
    fixed: dict[str, Mapping[str, Scalar]] = {}
    spaces: dict[str, Mapping[str, Range]] = {}
    compatibility = str(fields.get("compatibility", "none"))
    for loss in losses or (None,):
        given = {**fields, **values, **({} if loss is None else _own_fields(spec, "loss", loss))}
        used = {name: value for name, value in given.items() if is_used(name, recipe, loss, compatibility)}
        constants = {name: value for name, value in used.items() if not _is_range(value)}
        own = {} if loss is None else {"loss": loss}
        name = recipe if loss is None else loss
        spaces[name] = {field: value for field, value in used.items() if _is_range(value)}
        fixed[name] = {**constants, **_flat(spec.datasets[str(fields["dataset"])]), **own}
    method = _named(recipe, losses)
    read = _axes(axes, recipe, losses, str(fields.get("compatibility", "none")))
    key = "/".join([str(fields["dataset"]), str(fields["shots"]).replace(" ", "-"), method, *read])
    return Cell(key=key, axes=read, method=method, fixed=fixed, spaces=spaces)


def _named(recipe: str, losses: Sequence[str]) -> str:
    return method_name(recipe, (losses[0] if len(losses) == 1 else _SEARCHED) if losses else None)


def _own_fields(spec: SweepSpec, kind: str, owner: str) -> dict[str, Any]:
    """The flat fields of a recipe or loss, as far as they stand under its name in `search`."""
    fields = spec.search.get(owner, {})
    assert isinstance(fields, Mapping)
    if kind == "recipe":
        entry = RECIPES[owner]
        fields = {name: fields[name] for name in sorted(fields, key=entry.conditions.__contains__)}
        fields = {name: value for name, value in fields.items() if entry.reads(name, fields)}
    return {f"{kind}.{name}": value for name, value in fields.items()}


def _is_range(value: object) -> bool:
    return isinstance(value, FloatRange | IntRange | Choice)


def _flat(config: DatasetConfig) -> dict[str, Scalar]:
    given = config.model_dump(mode="json", exclude_defaults=True)
    return {"dataset" if name == "name" else f"dataset.{name}": value for name, value in given.items()}


def _axes(axes: Mapping[str, Scalar], recipe: str, losses: tuple[str, ...], compatibility: str) -> tuple[str, ...]:
    used = [name for name in axes if any(is_used(name, recipe, loss, compatibility) for loss in losses or (None,))]
    return tuple(f"{name}={_short(axes[name])}" for name in used if name not in _NAMED)


def _short(value: Scalar) -> str:
    """The value as a key shows it: a folder by its last name, wherever it lies."""
    return PurePath(value).name if isinstance(value, str) and value.startswith("/") else str(value)


# ---- the first trial of a cell ---------------------------------------------------------------------------------------


@cache
def _published(recipe: str, loss: str | None) -> Mapping[str, Scalar]:
    """The default of every field that can be searched, by flat name."""
    own = {} if loss is None else {"loss": {"name": loss}}
    encoder = {"encoder": "any"} if "encoder" in RECIPES[recipe].fields else {}
    data = {"dataset": DatasetConfig(name="any"), "shots": 1, "recipe": {"name": recipe}, **encoder, **own}
    config = TrialConfig.model_validate(data)
    flat = config.flat()
    read_or_not = {f"recipe.{name}": value for name, value in config.recipe.model_dump().items() if name != "name"}
    return {"head_lr": flat.get("encoder_lr"), "embedding": "cls", **flat, **read_or_not}
