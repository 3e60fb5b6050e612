"""Losses and recipes of other packages, found by their entry points.

A package names what it brings in its pyproject.toml, by the name that specs use:

    [project.entry-points."few_shot_sweep.losses"]
    focal = "my_package.focal:ENTRY"

What cannot be used is left out here and told by `check_plugins`, since a table cannot raise while it is imported.
"""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from trainable.errors import ConfigError

__all__ = ["GROUPS", "Plugin", "check_plugins", "load_plugins", "plugins_of"]

Kind = Literal["loss", "recipe"]

GROUPS: Mapping[Kind, str] = {"loss": "few_shot_sweep.losses", "recipe": "few_shot_sweep.recipes"}
"""The groups of entry points by what they bring."""


class _Entry(Protocol):
    """What every entry of a table has."""

    @property
    def name(self) -> str: ...

    @property
    def config(self) -> type: ...


_E = TypeVar("_E", bound=_Entry)


@dataclass(frozen=True, slots=True)
class Plugin:
    """A loss or a recipe of another package.

    kind, name: what it is, and what specs call it.
    package: which brings it.
    version: of the package.
    code: a hash of the file that holds it.
    """

    kind: Kind
    name: str
    package: str
    version: str
    code: str

    def __str__(self) -> str:
        return f"{self.package} {self.version} {self.code}"

    def lacking(self, machine: str) -> str:
        """What a person reads of a machine that cannot train it as the one that sent it; empty if it can."""
        needed = f"the {self.kind} {self.name!r} is of the package {self.package} {self.version}"
        requirement = shlex.quote(f"{self.package}=={self.version}")
        remedy = f"install the same one on every machine, as by `pip install {requirement}`"
        here = _FOUND.get((self.kind, self.name))
        if here is None:
            return f"{needed}, which is not installed on {machine}: {remedy}"
        if here != self:
            return f"{needed} with code {self.code}; on {machine} it is {here}: {remedy}"
        return ""


_FOUND: dict[tuple[Kind, str], Plugin] = {}
_PROBLEMS: list[str] = []


def load_plugins(kind: Kind, expected: type[_E], taken: Collection[str]) -> tuple[_E, ...]:
    """The entries of a kind that other packages bring, in the order of their names.

    expected: the class of such an entry.
    taken: names that it must not have.
    """
    points = sorted(entry_points(group=GROUPS[kind]), key=lambda point: (point.name, _package(point)))
    loaded: dict[str, _E] = {}
    for point in points:
        found, problem = _loaded(point, expected)
        if found is not None and (point.name in taken or point.name in loaded):
            owner = "few-shot-sweep" if point.name in taken else _FOUND[kind, point.name].package
            problem = f"its name is that of a {kind} of {owner}: give it another name"
        if found is None or problem:
            package = shlex.quote(_package(point))
            _PROBLEMS.append(
                f"the {kind} {point.name!r} of the package {package} cannot be used: {problem}, or "
                f"`pip uninstall {package}`"
            )
            continue
        version = "" if point.dist is None else point.dist.version
        _FOUND[kind, point.name] = Plugin(kind, point.name, _package(point), version, _code(found))
        loaded[point.name] = found
    return tuple(loaded.values())


def _loaded(point: EntryPoint, expected: type[_E]) -> tuple[_E | None, str]:
    """What an entry point leads to, or what is wrong with it."""
    try:
        found = point.load()
    except Exception as error:  # whatever the code of another package raises
        said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return None, f"{point.value} cannot be imported ({said}): mend it"
    if not isinstance(found, expected):
        return None, f"{point.value} must be a {expected.__name__}; it is {type(found).__name__}: correct it"
    if found.name != point.name:
        return None, f"{point.value} calls itself {found.name!r}: give the entry point the same name"
    return found, ""


def _package(point: EntryPoint) -> str:
    return "?" if point.dist is None else point.dist.name


def _code(entry: _Entry) -> str:
    file = getattr(sys.modules[entry.config.__module__], "__file__", None)
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:8] if file else "unknown"


def check_plugins() -> None:
    """Raise ConfigError with all that is wrong with what other packages bring."""
    import trainable.losses.table
    import trainable.recipes.table  # noqa: F401  # imported late: they import this

    if _PROBLEMS:
        raise ConfigError("\n".join(_PROBLEMS))


def plugins_of(recipe: str, loss: str | None) -> Iterator[Plugin]:
    """Which of a trial's recipe and loss are of other packages."""
    named: tuple[tuple[Kind, str | None], ...] = (("recipe", recipe), ("loss", loss))
    for kind, name in named:
        if name is not None and (kind, name) in _FOUND:
            yield _FOUND[kind, name]
