"""Specs as people, editors and enemies write them: made of the fields that the schema knows, and of anything else."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import yaml
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from sweep.spec.schema import json_schema

__all__ = ["anything", "override_texts", "spec_texts", "valid_specs"]

_SCHEMA = json_schema()["properties"]

_TEXTS = st.sampled_from(["", " ", "support", "auto", "~", "..", "/", "a/b", "1e5", "ß", "a" * 200]) | st.text(
    max_size=12
)
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**30, -1, 0, 2**63, 1e308, 5e-324])
    | st.floats()
    | _TEXTS
)

anything: SearchStrategy[Any] = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(_TEXTS | st.integers() | st.booleans() | st.none(), inner, max_size=3)
    ),
    max_leaves=6,
)
"""Any value that YAML can note, with keys that are no names among them."""


@st.composite
def valid_specs(draw: DrawFn) -> dict[str, Any]:
    """A spec that is right field by field, although not always as a whole."""
    spec: dict[str, Any] = {
        "name": draw(st.sampled_from(["a", "trec-2", "x.y_z"])),
        "compare": {
            "dataset": draw(st.lists(st.sampled_from(["support", "trec", "mr"]), min_size=1, max_size=2, unique=True)),
            "shots": draw(_matching(_SCHEMA["compare"]["properties"]["shots"])),
            "loss": draw(_matching(_SCHEMA["compare"]["properties"]["loss"])),
        },
        "trial": {"encoder": draw(st.sampled_from(["all-MiniLM-L6-v2", "roberta-base", "org/name"]))},
    }
    for block in draw(st.lists(st.sampled_from(["search", "trial", "protocol", *_PLAIN]), max_size=3, unique=True)):
        known = {name: each for name, each in _SCHEMA[block]["properties"].items() if name not in _GIVEN}
        names = draw(st.lists(st.sampled_from(sorted(known)), max_size=2, unique=True))
        spec[block] = {**spec.get(block, {}), **{name: draw(_matching(known[name])) for name in names}}
    return spec


_GIVEN = ("dataset", "shots", "loss", "encoder")
_PLAIN = ("budget", "pruning", "confirm", "resources", "tracking")


def _matching(schema: Mapping[str, Any]) -> SearchStrategy[Any]:
    """Values that a field's schema allows, and a few beside them where it has patterns."""
    if "anyOf" in schema:
        return st.one_of(*(_matching(each) for each in schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    return _KINDS[schema["type"]](schema)


def _list(schema: Mapping[str, Any]) -> SearchStrategy[Any]:
    return st.lists(_matching(schema["items"]), min_size=1, max_size=2, unique_by=repr)


def _mapping(schema: Mapping[str, Any]) -> SearchStrategy[Any]:
    return st.fixed_dictionaries({name: _matching(each) for name, each in schema["properties"].items()})


def _integer(schema: Mapping[str, Any]) -> SearchStrategy[Any]:
    low = schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
    return st.integers(low, min(schema.get("maximum", low + 50), low + 50))


def _number(schema: Mapping[str, Any]) -> SearchStrategy[Any]:
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    return st.floats(low, min(schema.get("maximum", low + 10), low + 10), exclude_min="exclusiveMinimum" in schema)


_KINDS: Mapping[str, Callable[[Mapping[str, Any]], SearchStrategy[Any]]] = {
    "array": _list,
    "object": _mapping,
    "integer": _integer,
    "number": _number,
    "boolean": lambda _: st.booleans(),
    "null": lambda _: st.none(),
    "string": lambda _: st.sampled_from(["a", "org/x", "é", "1"]),
}


# ---- wounds ----------------------------------------------------------------------------------------------------------


@st.composite
def spec_texts(draw: DrawFn) -> str:
    """The text of a spec, mostly with a wound or two: a wrong value or key, or something that YAML reads otherwise."""
    spec: Any = draw(valid_specs())
    for _ in range(draw(st.integers(0, 2))):
        spec = draw(_wounded(spec))
    flow = draw(st.sampled_from([True, False, None]))
    text = (
        json.dumps(spec, ensure_ascii=False)
        if draw(st.booleans())
        else yaml.safe_dump(spec, default_flow_style=flow, allow_unicode=draw(st.booleans()), sort_keys=False)
    )
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        place = draw(st.integers(0, len(text)))
        end = draw(st.sampled_from([place, place, place + 1, place + 20]))
        text = text[:place] + draw(_FRAGMENTS) + text[end:]
    return text


@st.composite
def _wounded(draw: DrawFn, value: Any) -> Any:
    """The value with something in it put in the place of something else."""
    if not isinstance(value, dict | list) or not value or draw(st.integers(0, 4)) == 0:
        return draw(anything)
    if isinstance(value, list):
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], draw(_wounded(value[at])), *value[at + 1 :]]
    key = draw(st.sampled_from(list(value)))
    action = draw(st.sampled_from(["deeper", "deeper", "deeper", "drop", "add"]))
    if action == "drop":
        return {name: each for name, each in value.items() if name != key}
    new = key if action == "deeper" else draw(_TEXTS | st.sampled_from(["steps", "margin", "hours", "shots", "uri", 4]))
    return {**value, new: draw(_wounded(value[key])) if action == "deeper" else draw(anything)}


_FRAGMENTS: SearchStrategy[str] = st.text(max_size=4) | st.sampled_from(
    [
        *("\t", "\n", "\n\n  ", "\r", "\u2028", "\x85", "\ufeff", "\0", "\x1b[31m"),
        *(
            ": ",
            "- ",
            "? ",
            ", ",
            "[",
            "]",
            "{",
            "}",
            "'",
            '"',
            "|\n",
            ">\n",
            "# ",
            "%YAML 1.1\n",
            "\n---\n",
            "\n...\n",
        ),
        *(
            "&a ",
            "*a",
            "&a [*a]",
            "<<: *a\n",
            "\n<<: {a: b}\n",
            "{<<: [*a, *a]}",
            "!",
            "!!python/object:os.system ",
            "!!int ",
            "!!set ",
        ),
        *(
            '"\\UFFFFFFFF"',
            '"\\ud800"',
            '"\\x1b"',
            '"\\0"',
            "0x1F",
            "1_000",
            ".nan",
            "-.inf",
            "1e999",
            "9" * 40,
            "2024-01-01",
        ),
        *("\nname: a\nname: b\n", "\ncompare: {}\n", "compare: &b {dataset: *b}", "[" * 30, "- " * 30, "{a: " * 30),
    ]
)

_KEYS = st.sampled_from(
    [
        *(block for block in _SCHEMA),
        *(f"{block}.{name}" for block, each in _SCHEMA.items() for name in each.get("properties", ())),
        *(
            "datasets.own.path",
            "search.soft_triple.margin",
            "a.b.c.d",
            "..",
            "",
            " name ",
            "compare.shots.0",
            "x" * 300,
        ),
        ".".join("a" * 100),
    ]
) | st.text(max_size=8)


@st.composite
def override_texts(draw: DrawFn) -> str:
    """The text of one `--set`."""
    value = draw(st.just(None) | _FRAGMENTS | anything)
    if value is None:
        return draw(_KEYS)
    return f"{draw(_KEYS)}={value if isinstance(value, str) else json.dumps(value)}"
