"""The losses that a trial can train with.

The table is made when it is first asked for: it holds losses of other packages too, which import `entry` from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainable.losses.entry import LossConfig, LossEntry, Proxies

if TYPE_CHECKING:
    from trainable.losses.table import LOSSES, AnyLoss

__all__ = ["LOSSES", "AnyLoss", "LossConfig", "LossEntry", "Proxies"]


def __getattr__(name: str) -> Any:
    if name not in ("LOSSES", "AnyLoss"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from trainable.losses import table

    return getattr(table, name)
