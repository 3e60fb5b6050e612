"""Home-made words stay out of the project: each has a term of the field that readers know already."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("sweep", "trainable", "cluster", "tests", ".github")
KINDS = (".py", ".md", ".j2", ".yaml")

# The term to use, by banned word. The words of a phrase may be joined by `_` or `-`, or stand on two lines.
TERMS = {
    "goes on": "resumes (a sweep or trial), continues",
    "go on": "resume (a sweep or trial), continue",
    "went on": "resumed (a sweep or trial), continued",
    "taken up again": "resumed",
    "broken off": "interrupted",
    "breaks off": "interrupts",
    "broke off": "interrupted",
    "in vain": "discarded work",
    "lost work": "discarded work",
    "goodbye": "run summary",
    "shipment": "trial inputs",
    "freight": "trial inputs",
    "parcel": "bundle",
    "patience": "time limit",
    "leash": "kill on exit",
    "count loss": "count_crash: a loss is the loss function",
    "max losses": "MAX_CRASHES: a loss is the loss function",
    "bill": "cost",
}

# Keys and names on disk that cannot change any more, as file and word.
STABLE: frozenset[tuple[str, str]] = frozenset()


def pattern(word: str) -> re.Pattern[str]:
    """Finds a word, also in the plural, as a part of identifiers, or over the end of a line."""
    joined = r"[\s_#\"-]+".join(map(re.escape, word.split()))
    return re.compile(rf"(?<![A-Za-z]){joined}s?(?![A-Za-z])", re.IGNORECASE)


@cache
def texts() -> Mapping[str, str]:
    """The project's texts by path, without this file."""
    paths = [path for folder in SOURCES for path in (ROOT / folder).rglob("*") if path.suffix in KINDS]
    paths += ROOT.glob("*.md")
    texts = (path for path in paths if path != Path(__file__) and "cases" not in path.parts)  # cases of fuzzing: bytes
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in texts}


def uses(word: str) -> Iterator[tuple[str, int]]:
    """The files and lines that have a word."""
    for path, text in texts().items():
        for match in pattern(word).finditer(text):
            yield path, text.count("\n", 0, match.start()) + 1


@pytest.mark.parametrize("word", TERMS)
def test_a_term_of_the_field_is_used_instead(word: str) -> None:
    found = [f"{path}:{line}" for path, line in uses(word) if (path, word) not in STABLE]
    assert not found, f"instead of `{word}` write: {TERMS[word]}; it is in {', '.join(found)}"


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("go on", "it must go\n    on"),
        ("max losses", "_MAX_LOSSES = 3"),
        ("broken off", "# broken\n# off"),
        ("bill", "Bills"),
    ],
)
def test_a_word_is_found_in_identifiers_and_over_the_end_of_a_line(word: str, text: str) -> None:
    assert pattern(word).search(text)


def test_a_longer_word_is_another_word() -> None:
    assert not pattern("bill").search("billing")
    assert not pattern("in vain").search("within vain")


def test_every_exception_is_still_needed() -> None:
    assert {(path, word) for path, word in STABLE if path in dict(uses(word))} == STABLE
