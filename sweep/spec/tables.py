"""Tables of the reference, in Markdown: the fields of a model, of a trial, and those of one recipe or loss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sweep.spec.completion import REQUIRED
from sweep.spec.defaults import AUTO, DEFAULT_RANGES
from sweep.spec.fields import UNSEARCHABLE, FieldRule
from sweep.spec.wording import in_words, range_in_words
from trainable.ranges import Range

__all__ = ["listed", "model_table", "own_table", "table", "trial_table"]

_COLUMNS = ("field", "holds", "default", "searched by default", "description")


def model_table(
    model: type[BaseModel], without: Sequence[str] = (), defaults: Mapping[str, Any] = MappingProxyType({})
) -> str:
    """The fields of a block. defaults: those that a spec has otherwise than the model."""
    fields = {name: info for name, info in model.model_fields.items() if name not in without}
    rows = [
        (
            f"`{name}`",
            in_words(info.annotation, info.metadata),
            _default(info, defaults.get(name)),
            str(info.description),
        )
        for name, info in fields.items()
    ]
    return table(("field", "holds", "default", "description"), rows)


def trial_table(rules: Iterable[FieldRule]) -> str:
    """The fields of a trial, some of which are required, and some of which may never be searched."""
    rows = []
    for rule in rules:
        default = "required" if rule.name in REQUIRED else _value(rule.default)
        rows.append(_row(rule, default, DEFAULT_RANGES, "never" if rule.name in UNSEARCHABLE else ""))
    return table(_COLUMNS, rows)


def own_table(rules: Iterable[FieldRule], ranges: Mapping[str, Range]) -> str:
    """The fields of one recipe or loss, with the ranges that are searched unless the spec says otherwise."""
    return table(_COLUMNS, [_row(rule, _value(rule.default), ranges, "") for rule in rules])


def _row(rule: FieldRule, default: str, ranges: Mapping[str, Range], otherwise: str) -> Sequence[str]:
    searched = range_in_words(ranges[rule.name]) if rule.name in ranges else otherwise
    if rule.name == "encoder_lr":
        searched = f"`{AUTO}`, by the encoder's width"
    return (f"`{rule.name}`", rule.rule, default, searched, rule.description)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def listed(names: Iterable[str]) -> str:
    """Names in the notation of code, with commas between."""
    return ", ".join(f"`{name}`" for name in names)


def _default(info: FieldInfo, other: Any) -> str:
    return "required" if info.is_required() else _value(info.default if other is None else other)


def _value(value: Any) -> str:
    """A default in the notation of a spec; none is left to the description."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, int | float) else f"`{value}`"
