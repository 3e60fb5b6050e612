"""From a spec to its cells: fixed fields, and the space that each loss searches."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sweep.spec import RangeSpec, SweepSpec
from trainable.config import TrialConfig
from trainable.losses import LOSSES, LossEntry
from trainable.ranges import Choice, FloatRange, IntRange, Range, Scalar

__all__ = ["Cell", "cells", "changes", "describe", "kind_of", "protocol_fingerprint", "to_range"]

# What is searched unless the spec says otherwise. Sources: Mosbach et al., 2021; the papers' code (beta, learning rates).
_SEARCHED: Mapping[str, Range] = {
    "encoder_lr": FloatRange(5e-6, 5e-5, log=True),
    "beta": FloatRange(0.05, 0.95),
    "proxy_lr": FloatRange(1e-4, 1e-1, log=True),
}
_KEY_FIELDS = ("dataset", "shots", "loss")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One combination of the compared axes. Trials compete only inside their own cell.

    key: dataset/shots/loss, then any other axis as field=value. fixed: trial fields, nested, equal for all trials.
    spaces: for each loss of the cell its searched fields by flat name; more than one loss where the loss is searched.
    """

    key: str
    fixed: Mapping[str, Any]
    spaces: Mapping[str, Mapping[str, Range]]
    loss_fields: Mapping[str, Mapping[str, Scalar]]

    def config(self, params: Mapping[str, Scalar]) -> TrialConfig:
        """The trial with these searched values, by flat name. Raises pydantic.ValidationError for values outside the fields' rules."""
        name = str(params.get("loss", next(iter(self.spaces))))
        entry = LOSSES[name]
        loss: dict[str, Any] = {"name": name, **self.loss_fields.get(name, {})}
        nested = {field: value for field, value in self.fixed.items() if _relevant(entry, field)}
        for field, value in params.items():
            if field.startswith("loss."):
                loss[field.removeprefix("loss.")] = value
            elif field != "loss":
                nested[field] = value
        return TrialConfig.model_validate({**nested, "loss": loss})

    def default_params(self) -> dict[str, Scalar]:
        """The published defaults of the (first) loss, moved into the space where they lie outside: every cell's first trial."""
        name = next(iter(self.spaces))
        params: dict[str, Scalar] = {"loss": name} if len(self.spaces) > 1 else {}
        return params | {field: _into(values, _default(name, field)) for field, values in self.spaces[name].items()}

    def cost(self) -> int:
        """Relative work of a trial: rows that pass through the encoder, backward passes counting twice."""
        config = self.config(self.default_params())
        rows = min(config.batch_size, config.shots * (1 if config.sampling == "random" else 4))
        validation = config.validation if isinstance(config.validation, int) else 1000
        return config.replicates * (3 * config.steps * rows + config.evaluations * validation)


def cells(spec: SweepSpec) -> tuple[Cell, ...]:
    """The product of the compared axes, in the order of the spec."""
    axes = list(spec.compare)
    return tuple(
        _cell(spec, dict(zip(axes, values, strict=True)))
        for values in itertools.product(*(spec.compare[axis] for axis in axes))
    )


def protocol_fingerprint(cell: Cell) -> dict[str, Any]:
    """All that must not change under one sweep name, as JSON: flat fixed fields, and the space of each loss."""
    described = {
        loss: {field: describe(values) for field, values in space.items()} for loss, space in cell.spaces.items()
    }
    fixed = {**cell.fixed, "dataset": cell.fixed["dataset"].model_dump(mode="json", exclude_none=True)}
    return {
        "fixed": json.loads(json.dumps(fixed)),
        "search": described,
        "loss": {k: dict(v) for k, v in cell.loss_fields.items()},
    }


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between two fingerprints, in words."""
    before, after = dict(_leaves("", old)), dict(_leaves("", new))
    return [
        f"{name}: was {before.get(name, 'absent')}, is now {after.get(name, 'absent')}"
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    ]


def describe(values: Range) -> str:
    """`1e-05 to 1e-04, log` or `0.1 | 0.5`."""
    if isinstance(values, Choice):
        return " | ".join(map(str, values.values))
    return f"{values.low:g} to {values.high:g}{', log' if values.log else ''}"


def to_range(value: Any, kind: type) -> Range | Scalar:
    """A spec's value as a range: a mapping with low and high, a list of choices, or a value that stays as it is."""
    if isinstance(value, Mapping):
        given = RangeSpec.model_validate(value)
        if kind is int:
            return IntRange(int(given.low), int(given.high), given.log)
        return FloatRange(float(given.low), float(given.high), given.log)
    if isinstance(value, list | tuple):
        return Choice(tuple(float(each) if kind is float else each for each in value))
    scalar: Scalar = value
    return scalar


def _cell(spec: SweepSpec, chosen: Mapping[str, Any]) -> Cell:
    protocol = spec.protocol.model_dump()
    placed = {**spec.trial, **chosen}
    fixed = {**{field: value for field, value in protocol.items() if field not in spec.search}, **placed}
    losses = [placed["loss"]] if "loss" in placed else list(spec.search["loss"])
    fixed.pop("loss", None)
    dataset = fixed["dataset"]
    fixed["dataset"] = spec.datasets[dataset]
    spaces: dict[str, dict[str, Range]] = {}
    loss_fields: dict[str, dict[str, Scalar]] = {}
    for loss in losses:
        spaces[loss], loss_fields[loss] = _space(spec, LOSSES[loss], placed, fixed)
    key = "/".join([dataset, str(placed["shots"]), losses[0] if "loss" in placed else "searched"])
    others = [f"{axis}={value}" for axis, value in chosen.items() if axis not in _KEY_FIELDS]
    return Cell(key="/".join([key, *others]), fixed=fixed, spaces=spaces, loss_fields=loss_fields)


def _space(
    spec: SweepSpec, entry: LossEntry, placed: Mapping[str, Any], fixed: dict[str, Any]
) -> tuple[dict[str, Range], dict[str, Scalar]]:
    """Searched fields of a loss by flat name, and its fixed own fields. Fixed common fields go into `fixed`."""
    space: dict[str, Range] = {}
    common = {name: value for name, value in spec.search.items() if name in TrialConfig.model_fields and name != "loss"}
    for name, value in {**_SEARCHED, **common}.items():
        if name in placed or not _relevant(entry, name):
            continue
        given = (
            value if isinstance(value, FloatRange | IntRange | Choice) else to_range(value, kind_of(TrialConfig, name))
        )
        if isinstance(given, FloatRange | IntRange | Choice):
            space[name] = given
        else:
            fixed[name] = given
    own: dict[str, Scalar] = {}
    for name, value in {**entry.search, **spec.search.get(entry.name, {})}.items():
        given = (
            value if isinstance(value, FloatRange | IntRange | Choice) else to_range(value, kind_of(entry.config, name))
        )
        if isinstance(given, FloatRange | IntRange | Choice):
            space[f"loss.{name}"] = given
        else:
            own[name] = given
    return space, own


def kind_of(model: type[Any], field: str) -> type:
    """int, float or object: whether a field takes whole numbers, real numbers, or something else."""
    annotation = str(model.model_fields[field].annotation)
    return float if "float" in annotation else int if "int" in annotation else object


def _relevant(entry: LossEntry, field: str) -> bool:
    if field == "proxy_lr":
        return entry.has_proxies
    return field != "beta" or entry.build is not None


def _default(loss: str, field: str) -> Any:
    if field.startswith("loss."):
        return LOSSES[loss].config.model_fields[field.removeprefix("loss.")].default
    return 1e-2 if field == "proxy_lr" else TrialConfig.model_fields[field].default


def _into(values: Range, default: Any) -> Scalar:
    """The default, or the nearest value of the range; the first choice where it is not among them."""
    if isinstance(values, Choice):
        return default if default in values.values else values.values[0]
    if default is None:
        return values.low
    nearest = min(max(default, values.low), values.high)
    return int(nearest) if isinstance(values, IntRange) else float(nearest)


def _leaves(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _leaves(f"{prefix}.{name}" if prefix else str(name), each)
    else:
        yield prefix, value
