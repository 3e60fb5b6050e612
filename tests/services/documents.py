"""The documents of the repository, and what in them is code: fences and code spans, links, headings, commands."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

__all__ = [
    "DOCUMENTS",
    "ROOT",
    "Code",
    "anchors",
    "arguments",
    "fences",
    "files",
    "folders",
    "links",
    "spans",
    "text_of",
]

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)")
_NEXT_COMMAND = re.compile(r"\s*(?:&&|;|\||>)\s*|(?:^|\s)#.*")
_BEFORE_A_PROGRAM = r"(?:[A-Z]+=\S+ )*(?:nice (?:-n \d+ )?)?(?:[\w./]*/)?"


@dataclass(frozen=True, slots=True)
class Code:
    """A piece of code in a document. language: of a fence, empty for a span."""

    document: str
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}: {self.text.splitlines()[0][:60]}"


@cache
def files() -> frozenset[str]:
    """All files of the repository, those that are not committed yet included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return frozenset(name for name in listed if (ROOT / name).exists())


@cache
def folders() -> frozenset[str]:
    """All folders that hold these files."""
    return frozenset(parent.as_posix() for name in files() for parent in PurePosixPath(name).parents)


DOCUMENTS = sorted(name for name in files() if name.endswith(".md") and "golden" not in name)


def text_of(name: str) -> str:
    """What a file of the repository holds."""
    return (ROOT / name).read_text(encoding="utf-8")


def fences(document: str) -> Iterator[Code]:
    """The blocks of code, as they stand there."""
    for language, text in _FENCE.findall(text_of(document)):
        yield Code(document, language, text)


def spans(document: str) -> Iterator[Code]:
    """The code within sentences and tables, each on one line."""
    for text in _SPAN.findall(_FENCE.sub("", text_of(document))):
        yield Code(document, "", " ".join(text.split()))


def links(document: str) -> list[str]:
    """Where links and pictures lead, those to other sites apart."""
    return _LINK.findall(text_of(document))


def anchors(document: str) -> set[str]:
    """The anchor of each heading, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", _FENCE.sub("", text_of(document)), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def arguments(program: str) -> list[tuple[str, str]]:
    """Each document, with what it gives to a program as arguments. A program alone is a name, no command."""
    typed = re.compile(rf"{_BEFORE_A_PROGRAM}{program} (.+)")
    found = {(name, match[1]) for name in DOCUMENTS for line in _lines(name) if (match := typed.fullmatch(line))}
    return sorted((name, given) for name, given in found if not given.startswith("..."))


def _lines(document: str) -> Iterator[str]:
    """What could be typed, a command each, without comments."""
    scripts = (re.sub(r"\\\n\s*", "", each.text) for each in fences(document) if each.language in ("sh", ""))
    lines = [*(line for script in scripts for line in script.splitlines()), *(each.text for each in spans(document))]
    for line in lines:
        yield from (command.strip() for command in _NEXT_COMMAND.split(line))
