"""Agreement of a sweep's rungs with the final order of its trials: whether pruning at them was justified."""

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
    """The agreement of one rung with the final order.

    rung: its evaluation number.
    trials: number of completed trials that tau is computed from.
    tau: Kendall's tau-b from -1 to 1, 0 for chance; None if it cannot be computed (`sweep.search.rungs.rung_tau`).
    """

    rung: int
    trials: int
    tau: float | None


@dataclass(frozen=True, slots=True)
class CellAgreement:
    """The agreement of all rungs of one cell.

    cell: key of the cell.
    rungs: in order.
    predictive: False if a rung's tau is below `sweep.search.rungs.LEAST_TAU`, else True; None if no tau is known.
    """

    cell: str
    rungs: tuple[RungAgreement, ...]
    predictive: bool | None


def rung_agreement(results: SweepResults) -> tuple[CellAgreement, ...]:
    """For each cell and rung, Kendall's tau-b between the score at the rung and the final quality of completed trials.

    The final quality is the mean final score of the replicates that had not begun at the rung, so that no draw is on
    both sides (`sweep.search.rungs.later_quality`). The rungs are the spec's or, as without pruning, the default ones.

    A pruned trial has no final score, so the range of scores is restricted to the trials that continued, and tau is
    pessimistic where a rung stopped many: only a sweep with `pruning.rule: none` gives an unbiased tau. With few trials
    tau is uncertain too; its standard error under chance is 0.41 with 5 trials, 0.19 with 16.

    No cell is left out: one in which no trial completed has rungs with 0 trials.
    """
    cells: dict[str, list[TrialRecord]] = {}
    for record in results.trials:
        cells.setdefault(record.cell, []).append(record)
    return tuple(_cell(cell, records, results.sweep.spec) for cell, records in cells.items())


def _cell(cell: str, records: Sequence[TrialRecord], spec: Mapping[str, Any]) -> CellAgreement:
    completed = [record for record in records if record.outcome is Outcome.COMPLETED]
    rungs = tuple(_rung(rung, completed) for rung in _rungs(records[0], spec))
    return CellAgreement(cell, rungs, is_predictive(rung.tau for rung in rungs))


def _rungs(record: TrialRecord, spec: Mapping[str, Any]) -> tuple[int, ...]:
    replicates, evaluations = record.config.replicates, record.config.evaluations
    given = spec.get("pruning", {}).get("rungs")
    rungs = tuple(given) if given is not None else default_rungs(replicates, evaluations)
    return tuple(rung for rung in rungs if rung < replicates * evaluations)


def _rung(rung: int, completed: Sequence[TrialRecord]) -> RungAgreement:
    pairs = [pair for record in completed for pair in _pair(record, rung)]
    return RungAgreement(rung, len(pairs), rung_tau(pairs))


def _pair(record: TrialRecord, rung: int) -> Iterator[tuple[float, float]]:
    """The score at the rung and the later quality; nothing if the evaluation at the rung has no score."""
    score = next((child.score for child in record.evaluations if child.number == rung), None)
    if score is not None and record.replicate_scores:
        yield score, later_quality(record.replicate_scores, rung, record.config.evaluations)
