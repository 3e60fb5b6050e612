"""The metrics of MLflow runs, as points computed from the ledger's records alone.

They do not depend on when they are pushed, nor in how many parts, so runs that were updated during a sweep equal runs
that are pushed afterwards.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from sweep.records.confirmation import ConfirmationRecord, ReplicateRecord, Role
from sweep.records.sweep import SweepRecord
from sweep.records.trial import TrialRecord
from sweep.verdict.tested_rows import confirmed_scores
from trainable.draws import CONFIRMATION_START
from trainable.outcomes import Outcome

__all__ = ["Point", "current_state", "ended", "milliseconds", "num_evaluations", "points", "progress"]

_FINAL = (Outcome.COMPLETED, Outcome.PRUNED, Outcome.DIVERGED, Outcome.FAILED)


class Point(NamedTuple):
    """One value of a metric.

    name: of the metric.
    value: finite.
    time: milliseconds since the epoch.
    step: its place on the horizontal axis.
    """

    name: str
    value: float
    time: int
    step: int


def milliseconds(seconds: float) -> int:
    """Seconds in MLflow's unit of time."""
    return round(1000 * seconds)


def num_evaluations(record: TrialRecord | ConfirmationRecord) -> int:
    """The number of a record's evaluations; a confirmation has one for each replicate."""
    if isinstance(record, ConfirmationRecord):
        return len(record.replicates)
    return record.evaluations[-1].number if record.evaluations else 0


def points(record: TrialRecord | ConfirmationRecord, *, after: int) -> list[Point]:
    """The metrics of a record's evaluations whose numbers are above `after`."""
    if isinstance(record, TrialRecord):
        return [
            Point(name, value, milliseconds(evaluation.time), evaluation.number)
            for evaluation in record.evaluations
            if evaluation.number > after
            for name, value in {"score": evaluation.score, **evaluation.evaluation.metrics}.items()
            if value is not None
        ]
    new = record.replicates[after:]
    return [point for replicate in new for point in _replicate_points(replicate, record)] + [
        point for point in _means(record) if point.step > after
    ]


def ended(trials: Iterable[TrialRecord]) -> list[TrialRecord]:
    """The trials that have ended for good, in the order in which they did."""
    final = (record for record in trials if record.outcome in _FINAL)
    return sorted(final, key=lambda record: (record.ended or record.started, record.key))


def progress(trials: Sequence[TrialRecord], *, after: int) -> list[Point]:
    """The sweep's own metrics: the number of trials by outcome, and the best completed score of each cell.

    trials: those that have ended, in the order in which they did; their positions, from 1, are the steps.
    after: steps up to this one are left out.

    A metric has a point wherever it changes.
    """
    counts = dict.fromkeys(_FINAL, 0)
    shown: dict[str, float] = {}
    found = []
    for step, record in enumerate(trials, start=1):
        assert record.outcome is not None, "it has ended"
        counts[record.outcome] += 1
        values = {f"trials/{outcome}": float(count) for outcome, count in counts.items()}
        if record.outcome is Outcome.COMPLETED and record.score is not None:
            best = f"best_score/{_legal(record.cell)}"
            values[best] = max(shown.get(best, record.score), record.score)
        time = milliseconds(record.ended or record.started)
        found += [Point(name, value, time, step) for name, value in values.items() if shown.get(name) != value]
        shown |= values
    return [point for point in found if point.step > after]


def current_state(
    sweep: SweepRecord, trials: Sequence[TrialRecord], confirmations: Iterable[ConfirmationRecord]
) -> list[Point]:
    """The sweep's metrics that have no history in the ledger, at the number of trials that had ended by then as step.

    These are the number of interrupted trials, and the mean test score of each winner whose confirmation is complete,
    as the verdict counts it: with a training that diverged as one that always answers the majority class.
    """
    ends = [record.ended or record.started for record in ended(trials)]
    interrupted = [record.ended or record.started for record in trials if record.outcome is Outcome.INTERRUPTED]
    last = max([sweep.created, *ends, *interrupted])
    found = [Point("trials/interrupted", float(len(interrupted)), milliseconds(last), len(ends))]
    for record in confirmations:
        scores = confirmed_scores(sweep.data.get(record.config.dataset.name), record)
        if record.role is Role.CONFIRMATION and record.outcome is Outcome.COMPLETED and scores:
            time = record.ended or record.started
            step = bisect_right(ends, time)
            # Versions before left diverged trainings out. Of values at one step and time MLflow shows the largest one,
            # so the right value has a later time.
            later = any(replicate.evaluation.outcome is Outcome.DIVERGED for replicate in record.replicates)
            found.append(Point(f"confirmed/{_legal(record.cell)}", fmean(scores), milliseconds(time) + later, step))
    return found


def _replicate_points(replicate: ReplicateRecord, record: ConfirmationRecord) -> Iterator[Point]:
    evaluation = replicate.evaluation
    step = evaluation.draw - (CONFIRMATION_START if record.role is Role.CONFIRMATION else record.config.replicates)
    prefix = "reseeded_" if evaluation.initialisation else ""
    for name, value in evaluation.metrics.items():
        yield Point(prefix + name, value, milliseconds(replicate.time), step)


def _means(record: ConfirmationRecord) -> Iterator[Point]:
    """After each replicate, the means over the draws so far; the step is the number of replicates."""
    prefix = "test_" if record.role is Role.CONFIRMATION else "val_"
    known: dict[str, list[float]] = {}
    for number, replicate in enumerate(record.replicates, start=1):
        for name, value in _own_metrics(replicate).items():
            if name.startswith(prefix):
                known.setdefault(name, []).append(value)
                yield Point(f"mean_{name}", fmean(known[name]), milliseconds(replicate.time), number)


def _own_metrics(replicate: ReplicateRecord) -> Mapping[str, float]:
    """The metrics of a draw's first training; a second one on the same draw only serves the variance of the seed."""
    return {} if replicate.evaluation.initialisation else replicate.evaluation.metrics


def _legal(cell: str) -> str:
    """The cell as part of a metric's name: only characters that MLflow allows, in a normal path."""
    parts = re.sub(r"[^/\w.\- ]", "_", cell).split("/")
    return "/".join("_" if part in ("", ".", "..") else part for part in parts)[:200].rstrip("/")
