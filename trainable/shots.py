"""How many labelled rows a draw trains on, and which rows select, as a spec says it: `8`, `at most 8`, `all`.

Every question about these words that does not need the rows themselves is answered here.
"""

from __future__ import annotations

from numbers import Integral
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, PositiveInt, StringConstraints, TypeAdapter, ValidationError

from trainable.dataset_config import FEW_ROWS
from trainable.errors import ConfigError

__all__ = [
    "CROSS_FOLDS",
    "VALIDATION",
    "Sampling",
    "Shots",
    "Validation",
    "as_shots",
    "in_words",
    "largest",
    "order",
    "selected_by",
    "training_rows",
]

AtMost = Annotated[str, StringConstraints(pattern=r"^at most [1-9][0-9]{0,8}$"), Field(description="`at most N`")]
Shots: TypeAlias = PositiveInt | Literal["all"] | AtMost
"""Labelled rows of a draw, per class or in all: so many, fewer where there are fewer, or all that can be had."""

_SHOTS: TypeAdapter[Shots] = TypeAdapter(Shots)

Sampling: TypeAlias = Literal["per_class", "random"]
Validation: TypeAlias = Literal["auto", "cross", "all", "shots"] | PositiveInt
VALIDATION = (
    "rows that score a trial: those that train it, by cross-validation (`cross`), `all` that a draw leaves, as many as "
    f"it has (`shots`), or a number; `auto`: cross below {FEW_ROWS} rows to draw from, else all"
)
"""What the field `validation` holds, in words."""

CROSS_FOLDS = 4
"""Parts that a draw is cut into for cross-validation: as many trainings, each on three quarters of it."""


def as_shots(value: object) -> Shots:
    """Return what a spec may say of shots, from a program, where numbers may be numpy's.

    Raises ConfigError for anything else.
    """
    number = int(value) if isinstance(value, Integral) and not isinstance(value, bool) else value
    try:
        return _SHOTS.validate_python(number, strict=True)
    except ValidationError:
        raise ConfigError(f"shots must be a whole number from 1 on, `at most N` or `all`; received {value}") from None


def largest(shots: Shots) -> int | None:
    """Return the largest number that is asked for; None for all."""
    if isinstance(shots, int):
        return shots
    return None if shots == "all" else int(shots.removeprefix("at most "))


def order(shots: Shots) -> tuple[float, str]:
    """Return what numbers of shots are sorted by: `all` comes last."""
    number = largest(shots)
    return (float("inf") if number is None else number, str(shots))


def in_words(shots: Shots, sampling: Sampling) -> str:
    """Return `8 labels per class`, `at most 8 labels in all` or `all labels`."""
    if shots == "all":
        return "all labels"
    return f"{shots} label{'s' if shots != 1 else ''} {'per class' if sampling == 'per_class' else 'in all'}"


def selected_by(
    validation: Validation, shots: Shots, sampling: Sampling, *, pool: int, classes: int
) -> Literal["cross", "all", "shots"] | int:
    """Return what `validation` comes to for a dataset of so many rows to draw from: `auto` is `cross` where they are
    few and a draw has three rows of a class, so that two train in each turn, or where it leaves none; else `all`."""
    if validation != "auto":
        return validation
    number, needed = largest(shots), 3 if sampling == "per_class" else 3 * classes
    if number is None:
        return "cross"
    return "cross" if pool < FEW_ROWS and number >= needed else "all"


def training_rows(shots: Shots, sampling: Sampling, *, pool: int, folds: int, classes: int) -> int:
    """Return about how many rows a draw of a dataset trains on, where each class has enough.

    folds: into how many parts the pool is cut, of which a draw tests one; 0 for none.
    """
    there = pool - round(pool / folds) if folds else pool
    number = largest(shots)
    return there if number is None else min(there, number * (classes if sampling == "per_class" else 1))
