"""The metrics of runs: points that follow from the ledger's records alone, whenever they are pushed, and in how many
parts. So a projection that was drawn live equals one that was drawn afterwards."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from sweep.records.confirmation import ConfirmationRecord, ReplicateRecord, Role
from sweep.records.sweep import SweepRecord
from sweep.records.trial import TrialRecord
from trainable.draws import CONFIRMATION_START
from trainable.outcomes import Outcome

__all__ = ["Point", "ended", "milliseconds", "num_evaluations", "points", "progress", "standing"]

_FINAL = (Outcome.COMPLETED, Outcome.PRUNED, Outcome.DIVERGED, Outcome.FAILED)


class Point(NamedTuple):
    """One value of a metric. time: milliseconds since the epoch."""

    name: str
    value: float
    time: int
    step: int


def milliseconds(seconds: float) -> int:
    """The time as MLflow keeps it."""
    return round(1000 * seconds)


def num_evaluations(record: TrialRecord | ConfirmationRecord) -> int:
    """How many reports the record has."""
    if isinstance(record, ConfirmationRecord):
        return len(record.replicates)
    return record.evaluations[-1].number if record.evaluations else 0


def points(record: TrialRecord | ConfirmationRecord, *, after: int) -> list[Point]:
    """The metrics of a record's reports whose numbers are above `after`."""
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
    """The sweep's own metrics: how many of its trials ended in which way, and the best completed score of each cell.

    trials: those that have ended, in that order. Their numbers, from 1, are the steps; a metric has a point where it
    changed. Steps up to `after` are left out.
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


def standing(
    sweep: SweepRecord, trials: Sequence[TrialRecord], confirmations: Iterable[ConfirmationRecord]
) -> list[Point]:
    """The sweep's metrics that have no history in the ledger: how many trials are interrupted, and the mean test score
    of each winner whose confirmation is complete. Their step is the number of trials that had ended by then."""
    ends = [record.ended or record.started for record in ended(trials)]
    interrupted = [record.ended or record.started for record in trials if record.outcome is Outcome.INTERRUPTED]
    last = max([sweep.created, *ends, *interrupted])
    found = [Point("trials/interrupted", float(len(interrupted)), milliseconds(last), len(ends))]
    for record in confirmations:
        means = {point.name: point.value for point in _means(record)}
        mean = means.get(f"mean_test_{record.config.metric}")
        if record.role is Role.CONFIRMATION and record.outcome is Outcome.COMPLETED and mean is not None:
            time = record.ended or record.started
            found.append(Point(f"confirmed/{_legal(record.cell)}", mean, milliseconds(time), bisect_right(ends, time)))
    return found


def _replicate_points(replicate: ReplicateRecord, record: ConfirmationRecord) -> Iterator[Point]:
    evaluation = replicate.evaluation
    step = evaluation.draw - (CONFIRMATION_START if record.role is Role.CONFIRMATION else record.config.replicates)
    prefix = "reseeded_" if evaluation.initialisation else ""
    for name, value in evaluation.metrics.items():
        yield Point(prefix + name, value, milliseconds(replicate.time), step)


def _means(record: ConfirmationRecord) -> Iterator[Point]:
    """After each draw, the means over the draws so far, at the number of reports as their step."""
    prefix = "test_" if record.role is Role.CONFIRMATION else "val_"
    known: dict[str, list[float]] = {}
    for number, replicate in enumerate(record.replicates, start=1):
        for name, value in _own_metrics(replicate).items():
            if name.startswith(prefix):
                known.setdefault(name, []).append(value)
                yield Point(f"mean_{name}", fmean(known[name]), milliseconds(replicate.time), number)


def _own_metrics(replicate: ReplicateRecord) -> Mapping[str, float]:
    """Those of a draw's first training; what a second one of the same draw shows is the variance of the seed."""
    return {} if replicate.evaluation.initialisation else replicate.evaluation.metrics


def _legal(cell: str) -> str:
    """The cell as part of a metric's name: only characters that MLflow allows, in a normal path."""
    parts = re.sub(r"[^/\w.\- ]", "_", cell).split("/")
    return "/".join("_" if part in ("", ".", "..") else part for part in parts)[:200].rstrip("/")
