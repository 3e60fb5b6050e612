"""The words of messages: what a field may hold, taken from its declaration, and values as they are shown."""

from __future__ import annotations

import json
import math
import types
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from sweep.addresses import redacted_value
from trainable.ranges import Choice, Range

__all__ = ["choices", "in_words", "number_type", "range_in_words", "shown", "suggestion"]

_LONGEST, _LONGEST_PATH = 80, 240  # characters of a value in a message; a path is longer, and told by its end
_MATCHED = 100  # names that a suggestion chooses from, and characters of each: matching takes quadratic time


def in_words(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """What a field of this type may hold: `a whole number from 1 on`, `` `linear`, `cosine` or a number ``."""
    return _joined(_alternatives(annotation, metadata))


def choices(annotation: Any) -> tuple[str, ...]:
    """The names among the values that a field of this type may hold."""
    if get_origin(annotation) is Literal:
        return tuple(map(str, get_args(annotation)))
    return tuple(name for member in _members(annotation) for name in choices(member))


def range_in_words(values: Range) -> str:
    """The values of a search range: `1e-05 to 0.0001, log` or `0.1 | 0.5`."""
    if isinstance(values, Choice):
        return " | ".join(map(str, values.values))
    return f"{values.low:g} to {values.high:g}{', log' if values.log else ''}"


def number_type(annotation: Any) -> type[int] | type[float] | None:
    """`int` or `float` for a field that may hold numbers, None for one of names or text."""
    if annotation in (int, float):
        return int if annotation is int else float
    found = [kind for member in _members(annotation) if (kind := number_type(member)) is not None]
    return found[0] if found else None


def suggestion(value: object, names: Iterable[str], *, listed: bool = True) -> str:
    """The name most similar to `value`, if any is, as a question, and (`listed`) the first hundred names."""
    by_lower = {name.lower(): name for name in islice(names, _MATCHED) if len(name) <= _MATCHED}
    near = get_close_matches(str(value)[:_MATCHED].lower(), by_lower, n=1)
    parts = [f"did you mean `{by_lower[near[0]]}`?"] if near else []
    if listed:
        parts.append(f"allowed: {', '.join(by_lower.values())}")
    return " ".join(parts)


def shown(value: object) -> str:
    """A value in the notation of a spec, on one line: passwords are redacted, control characters escaped, and long
    values cut."""
    if isinstance(value, str):
        text = f"'{value}'"
    elif isinstance(value, float) and not math.isfinite(value):
        text = ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    else:
        text = json.dumps(value, default=str, ensure_ascii=False)
    text = redacted_value(" ".join(text.split()))
    longest = _LONGEST_PATH if isinstance(value, str) and "/" in value else _LONGEST
    text = text if len(text) <= longest else f"{text[: longest - 3]}..."
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _members(annotation: Any) -> tuple[Any, ...]:
    """The types that a union or an annotated type is made of, None left out."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return (get_args(annotation)[0],)
    if origin in (Union, types.UnionType):
        return tuple(member for member in get_args(annotation) if member is not type(None))
    return ()


def _alternatives(annotation: Any, metadata: Sequence[Any]) -> list[str]:
    origin = get_origin(annotation)
    if origin is Annotated:
        base, *own = get_args(annotation)
        return _alternatives(base, (*metadata, *own))
    if origin in (Union, types.UnionType):
        return [words for member in _members(annotation) for words in _alternatives(member, metadata)]
    if origin is Literal:
        return [f"`{name}`" for name in get_args(annotation)]
    if origin is tuple and get_origin(get_args(annotation)[0]) is tuple:
        return ["a mapping from text to text"]
    if origin is tuple:
        return [f"a list, each item {in_words(get_args(annotation)[0])}"]
    return [_plain(annotation, metadata)]


def _plain(annotation: Any, metadata: Sequence[Any]) -> str:
    if annotation is bool:
        return "`true` or `false`"
    if annotation is int:
        return f"a whole number{_whole_bounds(metadata)}"
    if annotation is float:
        return f"a number{_real_bounds(metadata)}"
    if annotation is str and (named := _bound(metadata, "description")) is not None:
        return str(named)
    if annotation is str:
        longest = _bound(metadata, "max_length")
        return "text" if longest is None else f"text of 1 to {longest} characters"
    return "a mapping"


def _whole_bounds(metadata: Sequence[Any]) -> str:
    ge, gt, le, lt = (_bound(metadata, name) for name in ("ge", "gt", "le", "lt"))
    low = ge if ge is not None else gt + 1 if gt is not None else None
    high = le if le is not None else lt - 1 if lt is not None else None
    if low is None:
        return "" if high is None else f" up to {high}"
    return f" from {low} on" if high is None else f" from {low} to {high}"


def _real_bounds(metadata: Sequence[Any]) -> str:
    names = {"ge": "of at least", "gt": "greater than", "le": "at most", "lt": "less than"}
    found = {words: bound for name, words in names.items() if (bound := _bound(metadata, name)) is not None}
    bounds = [f"{words} {int(bound) if bound == int(bound) else bound}" for words, bound in found.items()]
    return f" {' and '.join(bounds)}" if bounds else ""


def _bound(metadata: Sequence[Any], name: str) -> Any:
    constraints = [
        part for item in metadata for part in (item, *getattr(item, "metadata", ()))
    ]  # a Field holds several
    values = (getattr(constraint, name, None) for constraint in constraints)
    return next((value for value in values if value is not None), None)


def _joined(alternatives: Sequence[str]) -> str:
    *most, last = alternatives
    return f"{', '.join(most)} or {last}" if most else last
