"""The arm of a verdict that a person means."""

from __future__ import annotations

from collections.abc import Sequence

from sweep.errors import StoredSweepError
from sweep.verdict.model import Arm, Comparison, Verdict

__all__ = ["cells_of", "chosen_arm"]


def chosen_arm(found: Verdict, arm: str | None, name: str, rule: str) -> tuple[Comparison, Arm]:
    """The arm that was asked for, or the best one where there is a single comparison, with its comparison.

    arm: its cell; None for the best one. name: of the sweep. rule: that an arm must be confirmed, for the message.

    Raises StoredSweepError for an arm that is not there or not confirmed, and where there are several best ones.
    """
    confirmed = [(each, one) for each in found.comparisons for one in each.arms if one.summary is not None]
    if not confirmed:
        raise StoredSweepError(f"{rule}; {name!r} has none: let the sweep finish, with `confirm.draws` above 0")
    if arm is not None:
        asked = [(each, one) for each, one in confirmed if one.cell == arm]
        if not asked:
            raise StoredSweepError(f"no confirmed arm of {name!r} is {arm!r}; there are {cells_of(confirmed)}")
        return asked[0]
    best = [(each, each.best) for each in found.comparisons if each.best is not None]
    if len(best) > 1:
        raise StoredSweepError(
            f"{name!r} has {len(found.comparisons)} comparisons, each with a winner: choose one by --arm; the winners "
            f"are {cells_of(best)}"
        )
    return best[0]


def cells_of(arms: Sequence[tuple[Comparison, Arm]]) -> str:
    """The cells of arms in words, each once: an arm may take part in several comparisons."""
    return ", ".join(dict.fromkeys(arm.cell for _, arm in arms))
