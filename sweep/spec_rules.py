"""The rules of a spec that reach over several of its blocks. Each mistake: its place, the rule with its remedy, the value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import TypeAdapter, ValidationError

from sweep.cells import cells, kind_of, to_range
from trainable.config import TrialConfig
from trainable.losses import LOSSES

if TYPE_CHECKING:
    from sweep.spec import SweepSpec

__all__ = ["Mistake", "mistakes", "suggestion"]

Mistake: TypeAlias = tuple[tuple[str | int, ...], str, Any]

_PROTOCOL = ("replicates", "evaluations", "steps", "validation", "metric", "seed")
_FIELDS = tuple(TrialConfig.model_fields)
_NEEDED = ("dataset", "shots", "loss", "encoder")
_MOST_CELLS = 10_000


def mistakes(spec: SweepSpec) -> list[Mistake]:
    """Every mistake that is left in a spec whose blocks are valid one by one."""
    found = [
        *_unknown_fields(spec),
        *_collisions(spec),
        *_missing(spec),
        *_axes(spec),
        *_values(spec),
        *_searches(spec),
    ]
    return found or list(_cells(spec))


def suggestion(name: str, allowed: Iterator[str] | list[str] | tuple[str, ...]) -> str:
    """`did you mean X? allowed: ...`"""
    names = list(allowed)
    close = get_close_matches(str(name), names, n=1)
    return (f"did you mean {close[0]}? " if close else "") + f"allowed: {', '.join(names)}"


def _unknown_fields(spec: SweepSpec) -> Iterator[Mistake]:
    free = tuple(name for name in _FIELDS if name not in _PROTOCOL)
    for name in spec.trial:
        if name in _PROTOCOL:
            yield ("trial", name), f"{name} belongs under protocol", spec.trial[name]
        elif name not in free:
            yield ("trial", name), f"no such field of a trial; {suggestion(name, free)}", spec.trial[name]
    for name in spec.compare:
        if name not in _FIELDS:
            yield ("compare", name), f"no such field of a trial; {suggestion(name, _FIELDS)}", spec.compare[name]
    for name in spec.search:
        if name not in (*_FIELDS, *LOSSES):
            yield (
                ("search", name),
                f"no such field of a trial, nor a loss; {suggestion(name, (*_FIELDS, *LOSSES))}",
                spec.search[name],
            )


def _collisions(spec: SweepSpec) -> Iterator[Mistake]:
    places = {
        "compare": spec.compare,
        "search": spec.search,
        "trial": spec.trial,
        "protocol": dict.fromkeys(spec.protocol.model_fields_set),
    }
    for name in _FIELDS:
        where = [place for place, block in places.items() if name in block]
        if len(where) > 1:
            yield (
                (where[1], name),
                f"a field is set in one place; this one stands under {' and '.join(where)}: keep one",
                name,
            )
    if "shots" in spec.search:
        yield (
            ("search", "shots"),
            "shots are compared, never searched: more shots always win; move it to compare",
            spec.search["shots"],
        )
    for name in ("dataset", "metric", "replicates", "evaluations", "seed"):
        if name in spec.search:
            yield (
                ("search", name),
                f"{name} decides how trials are scored, so it cannot be searched; move it to compare",
                spec.search[name],
            )


def _missing(spec: SweepSpec) -> Iterator[Mistake]:
    for name in _NEEDED:
        if not any(name in block for block in (spec.compare, spec.trial, spec.search)):
            place = "trial" if name == "encoder" else "compare"
            yield (place,), f"a sweep needs {name}; add it under {place}", None


def _axes(spec: SweepSpec) -> Iterator[Mistake]:
    size = 1
    for name, values in spec.compare.items():
        size *= len(values)
        if not values:
            yield ("compare", name), "an axis needs at least one value", values
        for index, value in enumerate(values):
            if value in values[:index]:
                yield ("compare", name, index), "a value stands twice on an axis; remove one", value
    if size > _MOST_CELLS:
        yield ("compare",), f"the axes make {size} cells; at most {_MOST_CELLS} are allowed: split the sweep", size


def _values(spec: SweepSpec) -> Iterator[Mistake]:
    for name, values in spec.compare.items():
        for index, value in enumerate(values):
            yield from _value(spec, ("compare", name, index), name, value)
    for name, value in spec.trial.items():
        yield from _value(spec, ("trial", name), name, value)


def _value(spec: SweepSpec, place: tuple[str | int, ...], name: str, value: Any) -> Iterator[Mistake]:
    if name == "loss":
        if value not in LOSSES:
            yield place, f"no such loss; {suggestion(str(value), tuple(LOSSES))}", value
    elif name == "dataset":
        if value not in spec.datasets:
            yield place, f"no such dataset; {suggestion(str(value), tuple(spec.datasets))}", value
    elif name in _FIELDS:
        yield from _by_field(place, TrialConfig, name, value)


def _searches(spec: SweepSpec) -> Iterator[Mistake]:
    compared = spec.compare.get("loss", [spec.trial["loss"]] if "loss" in spec.trial else spec.search.get("loss", []))
    for name, value in spec.search.items():
        if name == "loss":
            yield from _searched_losses(value)
        elif name in LOSSES:
            yield from _loss_block(name, value, compared)
        elif name in _FIELDS:
            yield from _searched(("search", name), TrialConfig, name, value)


def _searched_losses(value: Any) -> Iterator[Mistake]:
    if not isinstance(value, list) or len(value) < 2:
        yield ("search", "loss"), "searching over losses needs a list of at least two; for one loss use compare", value
        return
    for index, name in enumerate(value):
        if name not in LOSSES:
            yield ("search", "loss", index), f"no such loss; {suggestion(str(name), tuple(LOSSES))}", name


def _loss_block(name: str, block: Any, compared: Any) -> Iterator[Mistake]:
    if isinstance(compared, list) and name not in compared:
        yield (
            ("search", name),
            f"this loss is not part of the sweep; {suggestion(name, tuple(map(str, compared)))}",
            block,
        )
    if not isinstance(block, Mapping):
        yield ("search", name), "a loss's block must be a mapping of its fields", block
        return
    config = LOSSES[name].config
    own = tuple(field for field in config.model_fields if field != "name")
    for field, value in block.items():
        if field not in own:
            allowed = suggestion(field, own) if own else "it has none"
            yield ("search", name, field), f"no such field of {name}; {allowed}", value
        else:
            yield from _searched(("search", name, field), config, field, value)


def _searched(place: tuple[str | int, ...], model: type[Any], field: str, value: Any) -> Iterator[Mistake]:
    """A searched field: the shape of the range, then its bounds or choices by the field's own rule."""
    kind = kind_of(model, field)
    if isinstance(value, Mapping):
        if kind is object:
            yield place, "this field has no order; give a list of choices", value
            return
        for bound in ("low", "high"):
            if kind is int and isinstance(value.get(bound), float):
                yield (*place, bound), "this field takes whole numbers", value[bound]
                return
    try:
        to_range(value, kind)
    except ValidationError as error:
        for each in error.errors():
            yield (*place, *each["loc"]), _rule(each), each["input"]
        return
    except (ValueError, TypeError) as error:
        yield place, str(error), value
        return
    if isinstance(value, Mapping):
        for bound in ("low", "high"):
            yield from _by_field((*place, bound), model, field, value[bound])
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from _by_field((*place, index), model, field, each)
    else:
        yield from _by_field(place, model, field, value)


def _by_field(place: tuple[str | int, ...], model: type[Any], field: str, value: Any) -> Iterator[Mistake]:
    if isinstance(value, bool) and model.model_fields[field].annotation is not bool:
        yield place, "a number or a name, not true or false", value
        return
    info = model.model_fields[field]
    try:
        TypeAdapter(info.rebuild_annotation()).validate_python(
            value, strict=isinstance(value, str) and kind_of(model, field) is not object
        )
    except ValidationError as error:
        rules = dict.fromkeys(_rule(each) for each in error.errors())
        yield place, " or ".join(rules), value


def _cells(spec: SweepSpec) -> Iterator[Mistake]:
    """What only shows when the fields of a trial come together. One mistake a kind, with the first cell that has it."""
    seen: set[str] = set()
    for cell in cells(spec):
        try:
            cell.config(cell.default_params())
        except ValidationError as error:
            for each in error.errors():
                rule = _rule(each)
                if rule not in seen:
                    seen.add(rule)
                    yield ("compare",), f"cell {cell.key}: {rule}", None


def _rule(error: Any) -> str:
    """Pydantic's words, lower-case, without its `Value error, `."""
    text = str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
    return text[:1].lower() + text[1:]
