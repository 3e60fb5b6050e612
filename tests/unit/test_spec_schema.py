"""The JSON schema takes what `load_spec` takes, and catches in an editor what a schema can catch."""

from __future__ import annotations

from importlib import resources
from typing import Any

import pytest
import yaml

from sweep.spec.fields import OWN_FIELDS, TRIAL_FIELDS, UNSEARCHABLE, WARM_START
from sweep.spec.model import SweepSpec
from sweep.spec.presets import PRESETS
from sweep.spec.reader import json_schema, load_spec

jsonschema = pytest.importorskip("jsonschema")


def errors(spec: dict[str, Any]) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(json_schema()).iter_errors(spec)]


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.lengthy
@pytest.mark.parametrize("preset", PRESETS)
def test_it_takes_the_presets_as_written_and_as_resolved(preset: str) -> None:
    text = resources.files("sweep").joinpath("presets", f"{preset}.yaml").read_text(encoding="utf-8")
    assert errors(yaml.safe_load(text)) == []  # by the rules of YAML 1.1, which many editors follow
    assert errors(load_spec(preset).resolved()) == []


def test_it_names_every_field_with_its_meaning() -> None:
    properties = json_schema()["properties"]
    assert list(properties) == [name for name in SweepSpec.model_fields if name != WARM_START]
    assert set(properties["compare"]["properties"]) == set(properties["trial"]["properties"]) == set(TRIAL_FIELDS)
    assert set(properties["search"]["properties"]) == {
        *(set(TRIAL_FIELDS) - set(UNSEARCHABLE)),
        *OWN_FIELDS,
        WARM_START,
    }
    for owner, rules in OWN_FIELDS.items():
        assert set(properties["search"]["properties"][owner]["properties"]) == set(rules)
    for block in properties.values():
        assert block["description"]
        assert all(field["description"] for field in block.get("properties", {}).values())


@pytest.mark.parametrize(
    "spec",
    [
        {"budgets": {}},
        {"compare": {"loss": ["soft_tripel"]}},
        {"compare": {"shots": [0]}},
        {"compare": {"shots": []}},
        {"search": {"shots": [4, 16]}},
        {"search": {"encoder_lr": {"low": 1e-5}}},
        {"search": {"soft_triple": {"margins": 0.1}}},
        {"compare": {"recipe": ["frozn"]}},
        {"search": {"recipe": ["frozen", "fine_tune"]}},
        {"search": {"frozen": {"k": 3}}},
        {"search": {"frozen": {"head": "svm"}}},
        {"search": {"frozen": {"C": {"low": 0, "high": 1}}}},
        {"search": {"embedding": {"low": 1, "high": 2}}},
        {"trial": {"embedding": "max"}},
        {"protocol": {"steps": 0}},
        {"budget": {"hours": "long"}},
        {"pruning": {"rule": "hyperband"}},
        {"datasets": {"own": {"file": "x.csv"}}},
        {"name": "My Sweep"},
        {"ledger": "mysql://db"},
    ],
    ids=str,
)
def test_it_refuses(spec: dict[str, Any]) -> None:
    assert errors(spec)
