"""The layers of a spec: one file, and the overrides of the command line on top. Every value keeps its origin."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple

from sweep.errors import SpecError
from sweep.spec.document import MAX_BYTES, MAX_DEPTH, Document, read_document
from sweep.spec.mistakes import Mistake, Place
from sweep.spec.wording import shown

__all__ = ["Layer", "Layers", "Origin", "file_layer", "override_layer", "value_layer"]


_PART = re.compile(r"[\w\-]{1,100}")  # of an override's key, which messages show as it is


class Origin(NamedTuple):
    """Where a value was written. Origins sort in the order of reading.

    layer: 0 for the file, then the number of the override.
    line: within the file.
    name: how messages name the origin, `spec.yaml:3` or `--set KEY`.
    """

    layer: int
    line: int
    name: str


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of a spec.

    data: nested mappings.
    top: the place that an override sets, () for a file.
    origins: the origin of every place in it.
    mistakes: those found in reading it, each with its origin.
    """

    data: Mapping[str, Any]
    top: Place
    origins: Mapping[Place, Origin]
    mistakes: Sequence[tuple[Origin, Mistake]]


def file_layer(document: Document, label: str, *, lines: bool = True) -> Layer:
    """The layer of a file, or of a mapping, whose messages name no lines. Without a mapping in the file, the layer has
    no data and a mistake."""

    def origin(line: int) -> Origin:
        return Origin(0, line, f"{label}:{line}" if lines else label)

    mistakes = [(origin(line), mistake) for line, mistake in document.mistakes]
    origins = {place: origin(line) for place, line in document.lines.items()}
    origins[()] = origin(1)
    if isinstance(document.data, Mapping):
        return Layer(document.data, (), origins, mistakes)
    if not mistakes:
        received = "an empty file" if document.data is None else shown(document.data)
        remedy = "begin with `compare:`, or with a preset (`python -m sweep plan quickstart`)"
        mistake = Mistake(place=(), rule="a spec is a mapping of blocks", received=received, remedy=remedy)
        mistakes = [(origins[()], mistake)]
    return Layer({}, (), origins, mistakes)


def override_layer(text: str, number: int) -> Layer:
    """The layer of `KEY=VALUE`, with a dotted key and a value in YAML. A malformed text has no data and a mistake."""
    key, equals, value = text.partition("=")
    top = tuple(part.strip() for part in key.split("."))
    origin = Origin(number, 1, f"--set {'.'.join(top)}")
    if not equals or len(text) > MAX_BYTES or len(top) > MAX_DEPTH or not all(map(_PART.fullmatch, top)):
        remedy = "write --set budget.trials_per_cell=4"
        mistake = Mistake(
            place=(),
            rule="an override is KEY=VALUE, the key with dots between blocks and fields",
            received=shown(text),
            remedy=remedy,
        )
        return Layer({}, top, {}, [(Origin(number, 1, "--set"), mistake)])
    document = read_document(value)
    origins = {top: origin, **{(*top, *place): origin for place in document.lines}}
    mistakes = [(origin, mistake) for _, mistake in document.mistakes]
    data: Any = document.data
    for part in reversed(top):
        data = {part: data}
    return Layer({} if mistakes else data, top, origins, mistakes)


def value_layer(place: Place, value: Any, number: int) -> Layer:
    """The layer of one value that a program gives for a place."""
    data: Any = value
    for part in reversed(place):
        data = {part: data}
    return Layer(data, place, {place: Origin(number, 1, f"--set {'.'.join(map(str, place))}")}, [])


@dataclass(slots=True)
class Layers:
    """Layers merged into one spec. A later layer wins over the earlier ones."""

    data: dict[str, Any]
    origins: dict[Place, Origin]
    mistakes: list[tuple[Origin, Mistake]] = field(default_factory=list)

    def add(self, layer: Layer) -> None:
        """Sets the place of an override to its value, in place of all that earlier layers wrote there."""
        self.mistakes += layer.mistakes
        if not layer.data:
            return
        target, value = self.data, layer.data
        for part in layer.top[:-1]:
            below = target.get(str(part))
            target[str(part)] = dict(below) if isinstance(below, Mapping) else {}
            target, value = target[str(part)], value[str(part)]
        target[str(layer.top[-1])] = value[str(layer.top[-1])]
        covered = [place for place in self.origins if place[: len(layer.top)] == layer.top]
        for place in covered:
            del self.origins[place]
        for length in range(1, len(layer.top)):
            self.origins.setdefault(layer.top[:length], layer.origins[layer.top])
        self.origins |= layer.origins

    def refusal(self, mistakes: Iterable[Mistake] = ()) -> SpecError:
        """The error of these mistakes and those of the layers, in the order in which their places were read."""
        unread = {mistake.place for _, mistake in self.mistakes}  # these are not missing as well
        further = [mistake for mistake in mistakes if not mistake.place or mistake.place not in unread]
        placed = [*self.mistakes, *((self.origin(mistake.place), mistake) for mistake in further)]
        lines = {
            mistake.at(origin.name): (mistake.field, str(mistake))
            for origin, mistake in sorted(placed, key=itemgetter(0))
        }
        return SpecError(list(lines), list(lines.values()))

    def origin(self, place: Place) -> Origin:
        """The origin of a place, or else of the nearest place around it."""
        while place not in self.origins:
            place = place[:-1]
        return self.origins[place]
