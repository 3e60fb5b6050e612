"""Mistakes in a spec: each has a place, the rule that is broken, the value received, and a remedy.

They pass through pydantic as the line errors of one `ValidationError`, so that a spec built from Python values and one
read from a file are refused by the same rules in the same words.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

__all__ = ["Mistake", "Place", "mistakes_of", "refusal"]

Place = tuple[str | int, ...]
"""The keys and list positions that lead from the root of a spec to one of its values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One mistake in a spec.

    place: where it is.
    rule: what the place must hold or be.
    received: the value there as messages show it, or nothing if none was given.
    remedy: what to do, or nothing if the rule says it.
    """

    place: Place
    rule: str
    received: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        received = f"received {self.received}" if self.received else ""
        return "; ".join(part for part in (self.rule, received, self.remedy) if part)

    @property
    def field(self) -> str:
        """The place in dotted notation, without list positions: `compare.shots`."""
        return ".".join(part for part in self.place if isinstance(part, str))

    def at(self, origin: str) -> str:
        """The mistake as one line, which begins with its origin, `spec.yaml:3` or `--set KEY`."""
        field = "" if origin == f"--set {self.field}" else self.field
        return ": ".join(part for part in (origin, field, str(self)) if part)


def refusal(title: str, mistakes: Iterable[Mistake]) -> ValidationError:
    """The exception that carries mistakes through pydantic."""
    return ValidationError.from_exception_data(title, [_line_error(mistake) for mistake in mistakes])


def mistakes_of(error: ValidationError) -> list[Mistake]:
    """The mistakes that an exception made by `refusal` carries."""
    return [detail["ctx"]["mistake"] for detail in error.errors(include_url=False)]


def _line_error(mistake: Mistake) -> InitErrorDetails:
    context: dict[str, Any] = {"text": str(mistake), "mistake": mistake}
    return InitErrorDetails(
        type=PydanticCustomError("mistake", "{text}", context), loc=mistake.place, input=mistake.received
    )
