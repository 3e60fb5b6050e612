"""The JSON schema of a spec, by which editors complete and check it while it is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sweep.spec.blocks import BLOCKS
from sweep.spec.defaults import AUTO
from sweep.spec.fields import NEW_READING, OWN_FIELDS, SWEEP_NAME, TRIAL_FIELDS, UNSEARCHABLE, WARM_START, FieldRule
from sweep.spec.model import SweepSpec
from trainable.config import DatasetConfig
from trainable.datasets import DATASETS
from trainable.losses import LOSSES
from trainable.recipes import RECIPES

__all__ = ["json_schema"]


def json_schema() -> dict[str, Any]:
    """The schema (draft 2020-12) of a spec file.

    It checks names, types and bounds. Mistakes that show only in the spec as a whole, such as a field in two places,
    are found by `load_spec`.
    """
    fields = SweepSpec.model_fields
    properties: dict[str, Mapping[str, Any]] = {
        "name": _SWEEP,
        "description": {"type": "string", "maxLength": 5000},
        "datasets": {"type": "object", "additionalProperties": _dataset()},
        "compare": _mapping({name: _axis(rule) for name, rule in TRIAL_FIELDS.items()}),
        "exclude": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        "search": _mapping({**_searched_fields(), **_own_fields(), WARM_START: _names(fields[WARM_START])}),
        "trial": _mapping({name: _value(rule) for name, rule in TRIAL_FIELDS.items()}),
        **{name: _block(model) for name, model in BLOCKS.items()},
        "refit": {"type": "boolean", "default": False},
        "explain": {"type": "boolean", "default": False},
        "ledger": {"type": ["string", "null"], "pattern": r"^postgresql(\+psycopg2)?://"},
        "prices": {"type": "object", "additionalProperties": {"anyOf": [_PRICE, _PRICES]}},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Spec of a few-shot sweep",
        **_mapping({name: _described(schema, fields[name].description) for name, schema in properties.items()}),
    }


_SWEEP: Mapping[str, Any] = {"type": "string", "pattern": SWEEP_NAME}
_PRICE: Mapping[str, Any] = {"type": "number", "minimum": 0}
_PRICES: Mapping[str, Any] = {"type": "array", "items": _PRICE, "minItems": 2, "maxItems": 2}


def _mapping(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}


def _described(schema: Mapping[str, Any], description: str | None) -> dict[str, Any]:
    return {"description": description, **schema}


def _block(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema()
    return _mapping({name: _without_titles(field) for name, field in schema["properties"].items()})


def _dataset() -> dict[str, Any]:
    schema = _block(DatasetConfig)
    del schema["properties"]["name"]
    for name, default in NEW_READING.items():
        schema["properties"][name] = {**schema["properties"][name], "default": default}
    return schema


def _value(rule: FieldRule) -> dict[str, Any]:
    described: dict[str, Any] = {"description": rule.description}
    if rule.default is not None:
        described["default"] = rule.default
    if rule.name == "dataset":  # any name or location; editors offer the known names
        return {"type": "string", "examples": list(DATASETS), **described}
    return {**_without_titles(rule.adapter.json_schema()), **described}


def _axis(rule: FieldRule) -> dict[str, Any]:
    value = _value(rule)
    description = value.pop("description")
    value.pop("default", None)
    return {"description": description, "anyOf": [value, _list_of(value)]}


def _searched(rule: FieldRule) -> dict[str, Any]:
    value = _value(rule)
    alternatives = [value, _list_of(value)]
    if rule.number is not None:
        bounds = _mapping({"low": value, "high": value, "log": {"type": "boolean", "default": False}})
        alternatives.append({**bounds, "required": ["low", "high"]})
    if rule.name == "encoder_lr":
        alternatives.append({"const": AUTO})
    return {"description": value["description"], "anyOf": [_bare(alternative) for alternative in alternatives]}


def _searched_fields() -> dict[str, Any]:
    return {name: _searched(rule) for name, rule in TRIAL_FIELDS.items() if name not in UNSEARCHABLE}


def _own_fields() -> dict[str, Any]:
    """The fields of each recipe and of each loss, under its name."""
    described = {name: entry.summary for name, entry in RECIPES.items()}
    described |= {name: f"{entry.paper}: {entry.equation}" for name, entry in LOSSES.items()}
    return {
        owner: _described(_mapping({name: _searched(rule) for name, rule in rules.items()}), described[owner])
        for owner, rules in OWN_FIELDS.items()
    }


def _names(field: FieldInfo) -> dict[str, Any]:
    return {"description": field.description, "anyOf": [_SWEEP, {**_list_of(_SWEEP), "minItems": 0}]}


def _list_of(value: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": _bare(value), "minItems": 1, "uniqueItems": True}


def _bare(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in ("description", "default")}


def _without_titles(schema: Any) -> Any:
    if isinstance(schema, Mapping):
        return {key: _without_titles(value) for key, value in schema.items() if key != "title"}
    return schema
