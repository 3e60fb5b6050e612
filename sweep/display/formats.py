"""How numbers and configurations are written for a person."""

from __future__ import annotations

from collections.abc import Mapping

from trainable.ranges import Scalar

__all__ = ["configuration", "counted", "duration"]


def duration(seconds: float) -> str:
    """As a person writes it: 0:42, 12:05, 3:07:00."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


def counted(number: int, noun: str) -> str:
    """`1 draw`, `2 draws`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def configuration(params: Mapping[str, Scalar]) -> str:
    """The values of a configuration as `encoder_lr=3.1e-05 beta=0.4`."""
    return " ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}" for name, value in params.items()
    )
