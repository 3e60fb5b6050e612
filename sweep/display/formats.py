"""How numbers and configurations are written for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor

from trainable.ranges import Scalar

__all__ = ["configuration", "counted", "duration", "durations"]


def duration(seconds: float) -> str:
    """As a person writes it: 0:42, 12:05, 3:07:00."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


def durations(parts: Sequence[float]) -> tuple[str, list[str]]:
    """That of the whole, and of each of its parts, whose seconds add up to the whole as shown: of the parts, those that
    lack most are rounded up."""
    whole, least = round(sum(parts)), [floor(part) for part in parts]
    lacking = sorted(range(len(parts)), key=lambda place: least[place] - parts[place])
    raised = set(lacking[: whole - sum(least)])
    return duration(whole), [duration(known + (place in raised)) for place, known in enumerate(least)]


def counted(number: int, noun: str) -> str:
    """`1 draw`, `2 draws`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def configuration(params: Mapping[str, Scalar]) -> str:
    """The values of a configuration as `encoder_lr=3.1e-05 beta=0.4`."""
    return " ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}" for name, value in params.items()
    )
