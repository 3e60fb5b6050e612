"""YAML files as data in which every value knows its line.

Plain JSON data in YAML's notation: names as keys, no tags, and the scalars of YAML 1.2, so that `1e-5` is a number, and
`no` and `on` are text. Files that would expand into something huge are refused before they do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from sweep.spec.mistakes import Mistake, Place
from sweep.spec.wording import shown

__all__ = ["Document", "decoded", "read_document"]

MAX_BYTES = 1 << 20
_MAX_VALUES = 20_000  # a spec has a few hundred; aliases can multiply them without bound
_MAX_DEPTH = 20
_MAX_DIGITS = 18
_TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """Resolves plain scalars as the core schema of YAML 1.2 does."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # PyYAML's own way to hold them


for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_pattern})$"), _first)


@dataclass(frozen=True, slots=True)
class Document:
    """data: mappings, lists and scalars. lines: of every key and list item. mistakes: each with its line."""

    data: Any
    lines: Mapping[Place, int]
    mistakes: tuple[tuple[int, Mistake], ...]


def decoded(content: bytes) -> str | tuple[int, Mistake]:
    """The text of a file, or why it has none and in which line."""
    if len(content) > MAX_BYTES:
        return 1, _file_mistake(f"a spec has at most {MAX_BYTES >> 20} MB", "a larger file", "is this the right file?")
    if b"\0" in content:
        remedy = "is this the right file? (UTF-16 must be saved as UTF-8)"
        return 1, _file_mistake("a spec is a text file", "binary data", remedy)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return line, _file_mistake("a spec is UTF-8 text", f"the byte 0x{content[error.start]:02x}", "save it as UTF-8")


def read_document(text: str) -> Document:
    """The data in a YAML text. What cannot be read at all leaves data None and one mistake."""
    try:
        node = yaml.compose(text, _Loader)  # a safe loader; compose constructs nothing
    except RecursionError:
        return _unreadable(1, f"values may be nested {_MAX_DEPTH} deep", "a deeper nesting")
    except yaml.MarkedYAMLError as error:
        return _syntax_error(error)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return _unreadable(line, "YAML allows no control characters", f"the character {chr(error.character)!a}")
    reading = _Reading()
    data = reading.value(node, ()) if node is not None else None
    if reading.values > _MAX_VALUES or reading.too_deep:
        rule = f"a spec, aliases expanded, has at most {_MAX_VALUES} values, nested at most {_MAX_DEPTH} deep"
        return _unreadable(1, rule, "more", "write the values out, or fewer of them")
    return Document(data, reading.lines, tuple(reading.mistakes))


@dataclass(slots=True)
class _Reading:
    """The data of a tree of nodes, collected with lines and mistakes."""

    lines: dict[Place, int] = field(default_factory=dict)
    mistakes: list[tuple[int, Mistake]] = field(default_factory=list)
    values: int = 0
    too_deep: bool = False

    def value(self, node: yaml.Node, place: Place) -> Any:
        self.values += 1
        self.too_deep |= len(place) > _MAX_DEPTH
        if self.too_deep or self.values > _MAX_VALUES:
            return None
        kind = node.tag.removeprefix(_TAG)
        if isinstance(node, yaml.MappingNode) and kind == "map":
            return dict(self._entries(node, place))
        if isinstance(node, yaml.SequenceNode) and kind == "seq":
            return [self._item(each, (*place, number)) for number, each in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and kind in _SCALARS:
            return self._scalar(node, kind, place)
        return self._refuse(
            node, place, "a spec has no YAML tags", shown(node.tag.removeprefix(_TAG)), "remove the tag"
        )

    def _entries(self, node: yaml.MappingNode, place: Place) -> Iterator[tuple[str, Any]]:
        first: dict[str, int] = {}
        for key, each in node.value:
            line = _line(key)
            if not isinstance(key, yaml.ScalarNode) or key.tag != f"{_TAG}str":
                received = shown(key.value) if isinstance(key, yaml.ScalarNode) else "a list or mapping"
                self._refuse(key, place, "a key must be a name", received, "write `name: value`")
            elif key.value in first:
                rule = f"a key may stand only once; it stands in line {first[key.value]} too"
                self._refuse(key, (*place, key.value), rule, "", "remove one of the two")
            else:
                first[key.value] = self.lines[*place, key.value] = line
                yield key.value, self.value(each, (*place, key.value))

    def _item(self, node: yaml.Node, place: Place) -> Any:
        self.lines[place] = _line(node)
        return self.value(node, place)

    def _scalar(self, node: yaml.ScalarNode, kind: str, place: Place) -> Any:
        if kind == "int" and len(node.value) > _MAX_DIGITS:
            return self._refuse(node, place, f"whole numbers have at most {_MAX_DIGITS} digits", shown(node.value), "")
        try:
            return _SCALARS[kind](node.value)
        except ValueError:  # only an explicit tag can ask for a number and not be one
            return self._refuse(
                node, place, f"a value tagged as {kind} must be one", shown(node.value), "remove the tag"
            )

    def _refuse(self, node: yaml.Node, place: Place, rule: str, received: str, remedy: str) -> None:
        self.mistakes.append((_line(node), Mistake(place=place, rule=rule, received=received, remedy=remedy)))


def _real(text: str) -> float:
    return float(re.sub(r"\.(inf|nan)", r"\1", text.lower()))


def _truth(text: str) -> bool:
    return text.lower() == "true"


def _nothing(_text: str) -> None:
    return None


_SCALARS: Mapping[str, Any] = {
    "str": str,
    "int": int,
    "float": _real,
    "bool": _truth,
    "null": _nothing,
}


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _syntax_error(error: yaml.MarkedYAMLError) -> Document:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark is not None else 1
    problem = (error.problem or error.context or "it cannot be read").strip()
    if "'\\t'" in problem:
        return _unreadable(line, "YAML is indented with spaces", "a tab", "replace tabs by spaces")
    if "expected a single document" in str(error):
        return _unreadable(
            line, "a spec is one document", "a second one after `---`", "put each into a file of its own"
        )
    remedy = "check the indentation, brackets, quotes and colons up to there"
    return _unreadable(line, f"must be YAML: {problem}", "", remedy)


def _unreadable(line: int, rule: str, received: str, remedy: str = "is this the right file?") -> Document:
    return Document(None, {}, ((line, _file_mistake(rule, received, remedy)),))


def _file_mistake(rule: str, received: str, remedy: str) -> Mistake:
    return Mistake(place=(), rule=rule, received=received, remedy=remedy)
