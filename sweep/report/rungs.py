"""What each rung of a cell did: how many trials reached it, how many it stopped, and its agreement with the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sweep.records.results import SweepResults
from sweep.records.trial import TrialRecord
from sweep.search.rung_agreement import RungAgreement, rung_agreement
from sweep.verdict import Verdict
from trainable.outcomes import Outcome

__all__ = ["CellRungs", "Rung", "cell_rungs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """rung: number of reports. tau: Kendall's tau between the order here and the later one; None where it is
    unknown."""

    rung: int
    reached: int
    stopped: int
    passed: int
    tau: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRungs:
    """The rungs of one cell. predictive: whether they agree with the final order; None where it cannot be told."""

    cell: str
    loss: str
    trials: int
    rungs: tuple[Rung, ...]
    predictive: bool | None


def cell_rungs(results: SweepResults, verdict: Verdict) -> tuple[CellRungs, ...]:
    """The rungs of every cell that has trials; without pruning, those that the default rule would have."""
    losses = {arm.cell: arm.loss for comparison in verdict.comparisons for arm in comparison.arms}
    by_cell: dict[str, list[TrialRecord]] = {}
    for trial in results.trials:
        by_cell.setdefault(trial.cell, []).append(trial)
    return tuple(
        CellRungs(
            cell=found.cell,
            loss=losses[found.cell],
            trials=len(by_cell[found.cell]),
            rungs=tuple(_rung(rung, by_cell[found.cell]) for rung in found.rungs),
            predictive=found.predictive,
        )
        for found in rung_agreement(results)
        if found.cell in losses and found.rungs
    )


def _rung(found: RungAgreement, trials: Sequence[TrialRecord]) -> Rung:
    """A trial passed if it went on to another report, or completed."""
    last = [max((each.number for each in trial.evaluations if each.score is not None), default=0) for trial in trials]
    reached = [(trial, number) for trial, number in zip(trials, last, strict=True) if number >= found.rung]
    passed = [trial for trial, number in reached if number > found.rung or trial.outcome is Outcome.COMPLETED]
    stopped = [trial for trial, number in reached if number == found.rung and trial.outcome is Outcome.PRUNED]
    return Rung(rung=found.rung, reached=len(reached), stopped=len(stopped), passed=len(passed), tau=found.tau)
