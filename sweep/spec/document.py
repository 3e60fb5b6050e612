"""Reading YAML into data, with the line of every value.

A spec is plain JSON data in YAML's notation: keys are names, as the text `0` of a class, tags are refused, and scalars
follow YAML 1.2, so that `1e-5` is a number, and `no` and `on` are text. Files that would expand into something huge are
refused before they do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from sweep.spec.mistakes import Mistake, Place
from sweep.spec.wording import shown

__all__ = ["MAX_BYTES", "MAX_DEPTH", "Document", "decoded", "read_document"]

MAX_BYTES = 1 << 18  # of a file or an override
MAX_DEPTH = 20  # of nested mappings and lists
_MAX_VALUES = 2000  # a spec has a few hundred; aliases can multiply them without bound
_MAX_TEXT = 5000  # characters
_MAX_KEY = 100
_MAX_DIGITS = 18
_TAG = "tag:yaml.org,2002:"
_NAMES = tuple(f"{_TAG}{kind}" for kind in ("str", "int", "float", "bool"))  # what a plain key may look like
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
"""Characters that YAML allows in no file, although an escape such as "\\e" can put them into a text."""


_ZEROS_FIRST = re.compile("[-+]?0[0-9]")
"""Begins what YAML reads as a number, and what a person may mean as the text of a class or a name: 01 would be 1."""


class _ExcessError(Exception):
    """A document has more values, or nests them deeper, than any spec."""


class _Loader(yaml.SafeLoader):
    """Resolves plain scalars by the core schema of YAML 1.2.

    Raises _ExcessError at the first node that is one too many or too deep.
    """

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # PyYAML's own way to hold them
    nodes = 0
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.nodes += 1
        self.depth += 1
        if self.nodes > 2 * _MAX_VALUES + 1 or self.depth > MAX_DEPTH + 2:  # with keys, and with the root
            raise _ExcessError
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


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
    """The content of a YAML file.

    data: mappings, lists and scalars; None if the file could not be read.
    lines: the line of every key and list item, by place.
    mistakes: each with its line.
    """

    data: Any
    lines: Mapping[Place, int]
    mistakes: tuple[tuple[int, Mistake], ...]


def decoded(content: bytes) -> str | tuple[int, Mistake]:
    """The text of a file, or the line and the mistake for which it is refused."""
    if len(content) > MAX_BYTES:
        return 1, _file_mistake(f"a spec has at most {MAX_BYTES >> 10} kB", "a larger file", "is this the right file?")
    if b"\0" in content:
        remedy = "is this the right file? (UTF-16 must be saved as UTF-8)"
        return 1, _file_mistake("a spec is a text file", "binary data", remedy)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return line, _file_mistake("a spec is UTF-8 text", f"the byte 0x{content[error.start]:02x}", "save it as UTF-8")


def read_document(text: str) -> Document:
    """The data in a YAML text. A text that cannot be read as a whole has no data and one mistake."""
    if found := _CONTROL.search(text):
        return _control_character(text, found)
    loader = _Loader(text)  # builds nodes and constructs no objects
    try:
        node = loader.get_single_node()
    except _ExcessError:
        return _excess()
    except yaml.MarkedYAMLError as error:
        return _syntax_error(error)
    except (ValueError, OverflowError):  # PyYAML's own, of an escape such as "\UFFFFFFFF"
        return _unreadable(loader.line + 1, "must be YAML: an escape or a version number is too large", "")
    reading = _Reading()
    data = reading.value(node, ()) if node is not None else None
    if reading.values > _MAX_VALUES or reading.too_deep:
        return _excess()
    return Document(data, reading.lines, tuple(reading.mistakes))


@dataclass(slots=True)
class _Reading:
    """One pass over a tree of nodes, which collects lines and mistakes on the way.

    values: how many nodes have been read.
    too_deep: whether one was nested deeper than MAX_DEPTH; nothing is read from there on.
    """

    lines: dict[Place, int] = field(default_factory=dict)
    mistakes: list[tuple[int, Mistake]] = field(default_factory=list)
    values: int = 0
    too_deep: bool = False

    def value(self, node: yaml.Node, place: Place) -> Any:
        self.values += 1
        self.too_deep |= len(place) > MAX_DEPTH
        if self.too_deep or self.values > _MAX_VALUES:
            return None
        kind = node.tag.removeprefix(_TAG)
        if isinstance(node, yaml.MappingNode) and kind == "map":
            return dict(self._entries(node, place))
        if isinstance(node, yaml.SequenceNode) and kind == "seq":
            return [self._item(item, (*place, number)) for number, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and kind in _SCALARS:
            return self._scalar(node, kind, place)
        return self._refuse(
            node, place, "a spec has no YAML tags", shown(node.tag.removeprefix(_TAG)), "remove the tag"
        )

    def _entries(self, node: yaml.MappingNode, place: Place) -> Iterator[tuple[str, Any]]:
        first: dict[str, int] = {}
        for key, value in node.value:
            line = _line(key)
            if not _is_name(key):
                received = shown(key.value) if isinstance(key, yaml.ScalarNode) else "a list or mapping"
                self._refuse(key, place, "a key must be a name", received, "write `name: value`")
            elif key.value in first:
                rule = f"a key may stand only once; it stands in line {first[key.value]} too"
                self._refuse(key, (*place, key.value), rule, "", "remove one of the two")
            else:
                first[key.value] = self.lines[*place, key.value] = line
                yield key.value, self.value(value, (*place, key.value))

    def _item(self, node: yaml.Node, place: Place) -> Any:
        self.lines[place] = _line(node)
        return self.value(node, place)

    def _scalar(self, node: yaml.ScalarNode, kind: str, place: Place) -> Any:
        if kind == "int" and len(node.value) > _MAX_DIGITS:
            return self._refuse(node, place, f"whole numbers have at most {_MAX_DIGITS} digits", shown(node.value), "")
        if kind == "int" and _ZEROS_FIRST.match(node.value):
            remedy = f"write {shown(node.value)} in quotes for the text, or {int(node.value)} for the number"
            self._refuse(node, place, "a number has no zeros in front", shown(node.value), remedy)
        if len(node.value) > _MAX_TEXT:
            return self._refuse(node, place, f"text has at most {_MAX_TEXT} characters", f"{len(node.value)}", "cut it")
        if found := _CONTROL.search(node.value):
            return self._refuse(node, place, "text has no control characters", f"{found[0]!a}", "remove it")
        try:
            return _SCALARS[kind](node.value)
        except ValueError:  # only an explicit tag can call a text a number
            return self._refuse(
                node, place, f"a value tagged as {kind} must be one", shown(node.value), "remove the tag"
            )

    def _refuse(self, node: yaml.Node, place: Place, rule: str, received: str, remedy: str) -> None:
        self.mistakes.append((_line(node), Mistake(place=place, rule=rule, received=received, remedy=remedy)))


def _real(text: str) -> float:
    return float(re.sub(r"\.(inf|nan)", r"\1", text.lower()))


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _nothing(text: str) -> None:
    if text.lower() not in ("", "~", "null"):
        raise ValueError(text)


_SCALARS: Mapping[str, Any] = {
    "str": str,
    "int": int,
    "float": _real,
    "bool": _truth,
    "null": _nothing,
}


def _is_name(key: yaml.Node) -> bool:
    """Whether a key is a short text on one line, as it is written: a class may be called 0 or true. Whether it is a
    known name is checked later, by the models."""
    return (
        isinstance(key, yaml.ScalarNode)
        and key.tag in _NAMES
        and key.value.isprintable()
        and len(key.value) <= _MAX_KEY
    )


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


def _control_character(text: str, found: re.Match[str]) -> Document:
    line = text.count("\n", 0, found.start()) + 1
    return _unreadable(line, "YAML allows no control characters", f"the character {found[0]!a}")


def _excess() -> Document:
    rule = f"a spec, aliases expanded, has at most {_MAX_VALUES} values, nested at most {MAX_DEPTH} deep"
    return _unreadable(1, rule, "more", "write the values out, or fewer of them")


def _unreadable(line: int, rule: str, received: str, remedy: str = "is this the right file?") -> Document:
    return Document(None, {}, ((line, _file_mistake(rule, received, remedy)),))


def _file_mistake(rule: str, received: str, remedy: str) -> Mistake:
    return Mistake(place=(), rule=rule, received=received, remedy=remedy)
