"""The table at the end of a sweep, and of `status`: what each cell found."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from sweep.dispatch import outcomes
from sweep.records import SweepRecord, TrialRecord
from trainable.ranges import Scalar
from trainable.reports import Outcome

__all__ = ["best_trial", "print_cells"]


def print_cells(console: Console, sweep: SweepRecord, records: Sequence[TrialRecord], order: Sequence[str]) -> None:
    """One row a cell, in the given order: how its trials ended, and its best score with its configuration."""
    table = Table(
        title=f"{sweep.name}: {sweep.state}", title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0)
    )
    for name in ("cell", "trials", "best score", "best configuration"):
        table.add_column(
            name, justify="right" if name == "best score" else "left", no_wrap=name in ("cell", "best score")
        )
    for key in order:
        own = [record for record in records if record.cell == key]
        best = best_trial(own)
        counts = ", ".join(f"{count} {name}" for name, count in sorted(outcomes(own).items()))
        score = f"{best.score:.3f}" if best is not None and best.score is not None else "-"
        table.add_row(key, counts, score, configuration(best.params) if best else "-")
    console.print(table)


def best_trial(records: Sequence[TrialRecord]) -> TrialRecord | None:
    """The completed trial with the best score, the earlier one among equals.

    Pruned trials do not compete: their scores average fewer draws.
    """
    completed = [record for record in records if record.outcome is Outcome.COMPLETED and record.score is not None]
    return max(completed, key=lambda record: (record.score or 0.0, -record.number), default=None)


def configuration(params: dict[str, Scalar] | object) -> str:
    """`encoder_lr=3.1e-05 beta=0.40 ...`"""
    assert isinstance(params, dict)
    return " ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}" for name, value in params.items()
    )
