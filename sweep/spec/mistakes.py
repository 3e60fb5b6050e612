"""What is wrong with a spec: where, by which rule, what was received, and what to do.

Mistakes travel through pydantic as the line errors of one `ValidationError`, so that a spec that is built from Python
values, and one that is read from a file, are refused by the same rules in the same words.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

__all__ = ["Mistake", "Place", "mistakes_of", "refusal"]

Place = tuple[str | int, ...]
"""Keys and positions from the root of a spec to one of its values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One mistake. received: the value as a message shows it, or nothing where no value was given."""

    place: Place
    rule: str
    received: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        received = f"received {self.received}" if self.received else ""
        return "; ".join(part for part in (self.rule, received, self.remedy) if part)

    @property
    def field(self) -> str:
        """The place as people write it, without positions in lists: `compare.shots`."""
        return ".".join(part for part in self.place if isinstance(part, str))

    def at(self, origin: str) -> str:
        """The line of a report. origin: file and line, or the command-line option that the value came from."""
        field = "" if origin == f"--set {self.field}" else self.field
        return ": ".join(part for part in (origin, field, str(self)) if part)


def refusal(title: str, mistakes: Iterable[Mistake]) -> ValidationError:
    """The exception that carries `mistakes` through pydantic."""
    return ValidationError.from_exception_data(title, [_line_error(mistake) for mistake in mistakes])


def mistakes_of(error: ValidationError) -> list[Mistake]:
    """The inverse of `refusal`."""
    return [each["ctx"]["mistake"] for each in error.errors(include_url=False)]


def _line_error(mistake: Mistake) -> InitErrorDetails:
    context: dict[str, Any] = {"text": str(mistake), "mistake": mistake}
    return InitErrorDetails(
        type=PydanticCustomError("mistake", "{text}", context), loc=mistake.place, input=mistake.received
    )
