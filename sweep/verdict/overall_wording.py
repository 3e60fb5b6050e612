"""What all comparisons of a sweep say together, in a sentence, and each of them."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from sweep.verdict.model import Comparison, Gain, Verdict
from sweep.verdict.numbers import points, span

__all__ = ["overall", "sentences"]


def overall(found: Verdict) -> str:
    """Which method gains most over the baseline in the mean over all comparisons; empty where there is one comparison,
    or no method that has a difference in each of them."""
    complete = [gain for gain in found.gains if gain.comparisons == len(found.comparisons)]
    if not complete:
        return ""
    best = max(complete, key=lambda gain: gain.mean)
    where = f"Over all {best.comparisons} comparisons"
    among = f", the largest of {len(complete)} mean gains" if len(complete) > 1 else ""
    base = _baselines(found.comparisons)
    if best.mean <= 0:
        named = f"{best.method}{', the next,' if len(complete) > 1 else ''}"
        return f"{where} no {found.kind} gains over {base}: {named} {points(best.mean, sign=True)} {_intervals(best)}."
    chance = "" if best.here_low > 0 else " That may be chance."
    return (
        f"{where} {best.method} gains {points(best.mean)} over {base} {_intervals(best)}{among}, from "
        f"{span(best.lowest, best.highest)} in a single one.{chance}"
    )


def sentences(found: Verdict) -> list[str]:
    """What all comparisons say together, where there are several, then the title and the sentence of each."""
    together = overall(found)
    return [*([together] if together else []), *(f"{each.title}: {each.sentence}" for each in found.comparisons)]


def _intervals(gain: Gain) -> str:
    """Both intervals; a comparison of one draw has none, and then neither has the mean on these datasets."""
    known = not isnan(gain.here_low)
    here = f"95 % interval {span(gain.here_low, gain.here_high)}" if known else "one draw has no interval"
    if gain.datasets == 1:
        return f"({here})"
    others = f"{span(gain.low, gain.high)} on others like them"
    if known:
        return f"({here} on these {gain.datasets} datasets, {others})"
    return f"({here} on these {gain.datasets} datasets; 95 % interval {others})"


def _baselines(comparisons: Sequence[Comparison]) -> str:
    names = dict.fromkeys(each.baseline for each in comparisons if each.baseline)
    return " or ".join(names)
