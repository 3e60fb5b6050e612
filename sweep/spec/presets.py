"""The specs that come with the package, in `sweep/presets`."""

from __future__ import annotations

__all__ = ["PRESETS"]

PRESETS: tuple[str, ...] = ("quickstart", "trec", "paper", "reality")
"""Their names."""
