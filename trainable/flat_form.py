"""The two forms of a trial's configuration: nested data, and one scalar for each key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainable.ranges import Scalar

__all__ = ["flattened", "nested"]


def flattened(fields: Mapping[str, Any]) -> dict[str, Scalar]:
    """Return the flat form of nested data; the `name` of a part stands under the part's own key."""
    flat: dict[str, Scalar] = {}
    for key, value in fields.items():
        if isinstance(value, Mapping):
            flat.update({key if name == "name" else f"{key}.{name}": scalar for name, scalar in value.items()})
        else:
            flat[key] = value
    return flat


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return the nested form of flat data."""
    parts = {key.split(".")[0] for key in flat if "." in key} | {"dataset", "recipe", "loss"}
    fields: dict[str, Any] = {part: {} for part in parts if part in flat}
    for key, value in flat.items():
        part, _, field = key.partition(".")
        if part in fields:
            fields[part][field or "name"] = value
        else:
            fields[key] = value
    return fields
