"""The effect of each rung of a cell: the trials that reached it, those it stopped, and its agreement with the end."""

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
    """One rung of a cell.

    rung: its evaluation number.
    reached: number of trials with a score there.
    stopped: number of trials pruned there.
    passed: number of trials that continued after it, or completed there.
    tau: Kendall's tau between the order of trials here and the later order; None if unknown.
    """

    rung: int
    reached: int
    stopped: int
    passed: int
    tau: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRungs:
    """The rungs of one cell.

    cell: its key.
    method: of the cell.
    trials: number of its trials.
    rungs: in order.
    predictive: True if the rungs agree with the final order of trials; None if unknown.
    """

    cell: str
    method: str
    trials: int
    rungs: tuple[Rung, ...]
    predictive: bool | None


def cell_rungs(results: SweepResults, verdict: Verdict) -> tuple[CellRungs, ...]:
    """The rungs of every cell that has trials; without pruning, those of the default rule."""
    methods = {arm.cell: arm.method for comparison in verdict.comparisons for arm in comparison.arms}
    by_cell: dict[str, list[TrialRecord]] = {}
    for trial in results.trials:
        by_cell.setdefault(trial.cell, []).append(trial)
    return tuple(
        CellRungs(
            cell=found.cell,
            method=methods[found.cell],
            trials=len(by_cell[found.cell]),
            rungs=tuple(_rung(rung, by_cell[found.cell]) for rung in found.rungs),
            predictive=found.predictive,
        )
        for found in rung_agreement(results)
        if found.cell in methods and found.rungs
    )


def _rung(found: RungAgreement, trials: Sequence[TrialRecord]) -> Rung:
    """A trial passed a rung if it has a later evaluation, or completed."""
    last = [_last_scored(trial) for trial in trials]
    reached = [(trial, number) for trial, number in zip(trials, last, strict=True) if number >= found.rung]
    passed = [trial for trial, number in reached if number > found.rung or trial.outcome is Outcome.COMPLETED]
    stopped = [trial for trial, number in reached if number == found.rung and trial.outcome is Outcome.PRUNED]
    return Rung(rung=found.rung, reached=len(reached), stopped=len(stopped), passed=len(passed), tau=found.tau)


def _last_scored(trial: TrialRecord) -> int:
    """Number of the trial's last evaluation that has a score; 0 if there is none."""
    return max((child.number for child in trial.evaluations if child.score is not None), default=0)
