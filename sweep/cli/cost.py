"""What a sweep takes on a cluster: machines, hours, and with prices the cost, as ranges that tell their assumptions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console

from sweep.display.formats import duration
from sweep.errors import ClusterError
from sweep.remote.cluster_file import ClusterFile, NodeType
from sweep.scheduling.workload import Work
from sweep.spec.model import SweepSpec

__all__ = ["print_cost"]

_COMING = (
    240.0  # seconds from a trial that waits to a machine that trains it: booted and installed, measured nowhere yet
)


@dataclass(frozen=True, slots=True)
class _Used:
    """So many machines of a kind, by the name that prices give it."""

    count: int
    machine: str
    spot: bool


def print_cost(console: Console, spec: SweepSpec, cluster: ClusterFile, work: Work, *, measured: bool) -> None:
    """Print machines, hours and cost of a sweep on a cluster. measured: whether the pace is that of this machine.

    Raises ClusterError for a machine without a price, if there are prices.
    """
    slots = spec.budget.concurrency
    machines = list(_machines(spec, cluster, slots))
    used = [_Used(1, cluster.head, spot=False)] if cluster.head else []
    used += [_Used(count, kind.machine or kind.name, kind.spot) for count, kind, _ in machines]
    _check_prices(spec, used)
    for count, kind, trials in machines:
        market = "on the spot market" if kind.spot else "on demand"
        each = "1 trial" if trials == 1 else f"{trials} trials"
        console.print(f"machines: {count} x {kind.machine or kind.name} {market}, {each} on each at once")
    if slots is None:
        console.print(
            "machines: as many trials at once as those that are there can hold; the time is for one at a time"
        )
    least, most = work.duration(slots or 1)
    pace = "at the pace of this machine, which a GPU exceeds by far (--training-seconds S says better)"
    told = pace if measured else "at the pace that was given"
    console.print(f"time: {duration(least)} to {duration(most)}, {told}", soft_wrap=True)
    console.print(
        f"  least: pruning stops all that it may, which leaves {work.pruned / work.search:.0%} of the search\n"
        "  most: no trial is stopped, and the longest one begins last",
        soft_wrap=True,
    )
    if used:
        _print_price(console, spec, used, (least + _COMING, most + _COMING))


def _machines(spec: SweepSpec, cluster: ClusterFile, slots: int | None) -> Iterator[tuple[int, NodeType, int]]:
    """The machines that hold so many trials at once: how many, of which kind, and how many trials on each."""
    left, room = slots or 0, cluster.most
    gpu = float(spec.resources.gpu) if spec.resources.gpu != "auto" else 0.0
    for kind in sorted(cluster.types, key=lambda each: -each.fits(spec.resources.cpu, gpu)):
        each = kind.fits(spec.resources.cpu, gpu)
        count = min(math.ceil(left / each), kind.most, room) if each else 0
        if count:
            yield count, kind, min(each, left)
            left, room = left - count * each, room - count


def _check_prices(spec: SweepSpec, used: Sequence[_Used]) -> None:
    missing = [each.machine for each in used if each.machine not in spec.prices]
    if spec.prices and missing:
        raise ClusterError(
            f"a cost needs the price of every machine; `prices` lacks {', '.join(missing)}; add `{missing[0]}: 0.80`, "
            "USD per hour, or [spot, on demand]"
        )


def _print_price(console: Console, spec: SweepSpec, used: Sequence[_Used], seconds: tuple[float, float]) -> None:
    if not spec.prices:
        names = ", ".join(f"{each.machine}: ..." for each in used)
        hint = f"write `prices: {{{names}}}` into the spec, USD per hour, or [spot, on demand]"
        console.print(f"cost: unknown; {hint}", soft_wrap=True)
        return
    low, high = (
        sum(each.count * spec.prices[each.machine][bound if each.spot else 1] for each in used) * seconds[bound] / 3600
        for bound in (0, 1)
    )
    console.print(
        f"cost: {low:.2f} to {high:.2f} USD, with the head for as long as the sweep runs and {duration(_COMING)} for "
        "machines to start; without disks, traffic, and a head that stays",
        soft_wrap=True,
    )
