"""Values of a parameter with each of which a test takes long: the quick loop runs the first of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

__all__ = ["first_quick"]


def first_quick(values: Iterable[object], count: int = 1) -> list[Any]:
    """The same values, all but the first `count` marked `lengthy`: what each does at length, one shows in the loop."""
    return [
        value if number < count else pytest.param(value, marks=pytest.mark.lengthy)
        for number, value in enumerate(values)
    ]
