"""The fingerprint of a cell: what must stay equal while its trials are compared, and how two fingerprints differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sweep.spec.fields import PLACES, PROTOCOL_FIELDS, READINGS
from trainable.config import TrialConfig
from trainable.field_conflicts import PUBLISHED
from trainable.ranges import Choice, Range

if TYPE_CHECKING:
    from sweep.spec.cells import Cell

__all__ = ["changes", "protocol_fingerprint"]


def protocol_fingerprint(cell: Cell) -> dict[str, Any]:
    """The fixed fields and search ranges of each loss of the cell, as JSON data. A resumed sweep must have the same."""
    return {loss: _fingerprint(cell.fixed[loss], space) for loss, space in cell.spaces.items()}


def _fingerprint(fixed: Mapping[str, Any], space: Mapping[str, Range]) -> dict[str, Any]:
    fields = {**_DEFAULTS, **fixed, **{name: _plain(values) for name, values in space.items()}}
    return {name: value for name, value in fields.items() if (name, value) not in _ADDED}


_ADDED = {"recipe": "fine_tune", **{name: TrialConfig.model_fields[name].default for name in PUBLISHED}}.items()
"""Fields that earlier versions did not have, at the values that say what they did."""
_DEFAULTS = {"embedding": "cls"}  # what older versions recorded where the field was not given


def changes(old: Mapping[str, Any], new: Mapping[str, Any], *, movable: bool = False) -> list[str]:
    """The differences of two fingerprints in words: `search.soft_triple.margin: was 0..1, is now 0..0.5`.

    movable: paths that differ, and how files are read, are no difference, as where the digests of the rows and of the
        encoder's files are compared instead.
    """
    found = []
    if set(old) != set(new):
        found.append(f"search.loss: was {', '.join(old)}, is now {', '.join(new)}")
    for loss in (loss for loss in new if loss in old):
        for name in dict.fromkeys((*old[loss], *new[loss])):
            was, now = old[loss].get(name), new[loss].get(name)
            if was != now and not (movable and _leads_to_the_same(name, was, now)):
                place = _place(name, loss, new[loss].get("dataset"), was, now)
                found.append(f"{place}: was {_shown(was)}, is now {_shown(now)}")
    return list(dict.fromkeys(found))


def _leads_to_the_same(name: str, was: object, now: object) -> bool:
    """Whether a field only says how data or an encoder are found and read, so that their digests tell a difference."""
    return name in READINGS or (name in PLACES and _is_path(was) and _is_path(now))


def _is_path(value: object) -> bool:
    return isinstance(value, str) and value.startswith("/")


def _plain(values: Range) -> Any:
    if isinstance(values, Choice):
        return list(values.values)
    return {"low": values.low, "high": values.high, "log": values.log}


def _place(name: str, loss: str, dataset: object, was: object, now: object) -> str:
    """The place in a spec where a flat field is written."""
    kind, _, field = name.partition(".")
    if field and kind in ("recipe", "loss"):
        return f"search.{loss}.{field}"
    if name.startswith("dataset."):
        return f"datasets.{dataset}.{name.removeprefix('dataset.')}"
    if isinstance(was, Mapping | list) or isinstance(now, Mapping | list):
        return f"search.{name}"
    return f"{'protocol' if name in PROTOCOL_FIELDS else 'trial'}.{name}"


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{_shown(value['low'])}..{_shown(value['high'])}{' (log)' if value['log'] else ''}"
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return "not set" if value is None else str(value)
