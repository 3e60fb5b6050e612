"""How well the rungs of a sweep foretold the final order of its trials: whether its pruning could be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweep.records.results import SweepResults
from sweep.records.trial import TrialRecord
from sweep.search.rungs import default_rungs, is_predictive, later_quality, rung_tau
from trainable.outcomes import Outcome

__all__ = ["CellAgreement", "RungAgreement", "rung_agreement"]


@dataclass(frozen=True, slots=True)
class RungAgreement:
    """How a rung agrees with what came after it.

    rung: its report number. trials: the completed trials that it is judged by. tau: Kendall's tau-b from -1 to 1, 0 for
    chance; None where it cannot be told (`sweep.search.rungs.rung_tau`).
    """

    rung: int
    trials: int
    tau: float | None


@dataclass(frozen=True, slots=True)
class CellAgreement:
    """The rungs of a cell in order.

    predictive: False where a rung's tau is below `sweep.search.rungs.LEAST_TAU`, else True; None where no tau is known.
    """

    cell: str
    rungs: tuple[RungAgreement, ...]
    predictive: bool | None


def rung_agreement(results: SweepResults) -> tuple[CellAgreement, ...]:
    """For each cell and rung, Kendall's tau-b between the score at the rung and the final quality of completed trials.

    The final quality is the mean final score of the replicates that had not begun at the rung, so that no draw is on
    both sides (`sweep.search.rungs.later_quality`). The rungs are the spec's or, as without pruning, the default ones.

    A trial that was stopped has no final score, so the range of scores is restricted to what went on, and tau is
    pessimistic where a rung stopped many: only a sweep with `pruning.rule: none` shows a rung as it is. With few trials
    tau is uncertain too; its standard error for chance is 0.41 with 5 trials, 0.19 with 16.

    No cell is left out: one in which no trial completed has rungs with 0 trials.
    """
    cells: dict[str, list[TrialRecord]] = {}
    for record in results.trials:
        cells.setdefault(record.cell, []).append(record)
    return tuple(_cell(cell, records, results.sweep.spec) for cell, records in cells.items())


def _cell(cell: str, records: Sequence[TrialRecord], spec: Mapping[str, Any]) -> CellAgreement:
    completed = [record for record in records if record.outcome is Outcome.COMPLETED]
    rungs = tuple(_rung(rung, completed) for rung in _rungs(records[0], spec))
    return CellAgreement(cell, rungs, is_predictive(each.tau for each in rungs))


def _rungs(record: TrialRecord, spec: Mapping[str, Any]) -> tuple[int, ...]:
    replicates, evaluations = record.config.replicates, record.config.evaluations
    given = spec.get("pruning", {}).get("rungs")
    rungs = tuple(given) if given is not None else default_rungs(replicates, evaluations)
    return tuple(rung for rung in rungs if rung < replicates * evaluations)


def _rung(rung: int, completed: Sequence[TrialRecord]) -> RungAgreement:
    pairs = [pair for record in completed for pair in _pair(record, rung)]
    return RungAgreement(rung, len(pairs), rung_tau(pairs))


def _pair(record: TrialRecord, rung: int) -> Iterator[tuple[float, float]]:
    """Score at the rung and later quality, unless a report lacks its score."""
    score = next((each.score for each in record.evaluations if each.number == rung), None)
    if score is not None and record.replicate_scores:
        yield score, later_quality(record.replicate_scores, rung, record.config.evaluations)
