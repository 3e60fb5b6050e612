"""From the records of one cell to an arm: what its winner scored on each draw, what went wrong, and what it cost.

Shapes: T trials, R replicates, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sweep.records.confirmation import ConfirmationRecord, Role
from sweep.records.results import SweepResults
from sweep.records.spent import spent
from sweep.records.sweep import DataRecord
from sweep.records.trial import TrialRecord, outcomes
from sweep.search.selection import winner
from sweep.spec.cells import Cell
from sweep.spec.model import Confirm
from sweep.verdict.groups import loss_of
from sweep.verdict.model import Arm, Cost, Failures, Variances
from sweep.verdict.statistics import Summary, configuration_variance, seed_variance, summarise
from trainable.outcomes import Evaluation, Outcome

__all__ = ["CellRecords", "arm", "cell_records", "majority_scores"]

_RULES = ("head", "nearest", "neighbours", "mixture")


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRecords:
    """The records of a cell. confirmation: of its current winner or, where that has none yet, its last one; winner: the
    trial that it confirms."""

    cell: Cell
    trials: tuple[TrialRecord, ...]
    confirmations: tuple[ConfirmationRecord, ...]
    finalists: tuple[ConfirmationRecord, ...]
    winner: TrialRecord | None
    confirmation: ConfirmationRecord | None
    data: DataRecord | None

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """Of the confirmation."""
        return tuple(each.evaluation for each in self.confirmation.replicates) if self.confirmation else ()

    def score(self, evaluation: Evaluation) -> float | None:
        """The test score of a confirmation's report; None where it says nothing of the loss."""
        metric = self.trials[0].config.metric
        if evaluation.outcome is Outcome.DIVERGED and self.data is not None:
            return majority_scores(self.data)[metric]
        return evaluation.metrics.get(f"test_{metric}") if evaluation.outcome is None else None


def cell_records(results: SweepResults, cell: Cell, confirm: Confirm) -> CellRecords:
    """What `results` holds of a cell."""
    trials = tuple(each for each in results.trials if each.cell == cell.key)
    again = tuple(each for each in results.confirmations if each.cell == cell.key)
    own = tuple(each for each in again if each.role is Role.CONFIRMATION)
    chosen = winner(trials, again, confirm)
    current = [each for each in own if chosen is not None and each.trial == chosen.number] or own
    confirmation = max(current, key=lambda each: each.number, default=None)
    if confirmation is not None:
        chosen = next(each for each in trials if each.number == confirmation.trial)
    return CellRecords(
        cell=cell,
        trials=trials,
        confirmations=own,
        finalists=tuple(each for each in again if each.role is Role.FINALIST),
        winner=chosen,
        confirmation=confirmation,
        data=results.sweep.data.get(str(next(iter(cell.fixed.values()))["dataset"])),
    )


def arm(records: CellRecords, draws: Sequence[int]) -> Arm:
    """The arm of a cell, still without what it takes the other arms to know."""
    by_draw = {each.draw: each for each in records.evaluations if each.initialisation == 0}
    scores = tuple(records.score(by_draw[draw]) if draw in by_draw else None for draw in draws)
    known = [score for score in scores if score is not None]
    return Arm(
        cell=records.cell.key,
        loss=loss_of(records.cell),
        winner=records.winner,
        confirmation=records.confirmation,
        scores=scores,
        summary=summarise(known) if known else None,
        selection_score=records.winner.score if records.winner else None,
        inference=_inference(list(by_draw.values())),
        failures=_failures(records),
        variances=_variances(records, known),
        cost=_cost(records),
        confusion=_confusion(list(by_draw.values())),
    )


def majority_scores(data: DataRecord) -> Mapping[str, float]:
    """By metric, the test score of always answering the most frequent class.

    Its recall there is 1 and its precision the share s of that class, so its F1 is 2 s / (s + 1); elsewhere F1 is 0.
    """
    share = data.majority_share
    f1 = 2 * share / (share + 1)
    present = sum(count > 0 for count in data.test_counts)
    return {"accuracy": share, "macro_f1": f1 / present, "weighted_f1": f1 * share}


# ---- parts of an arm -------------------------------------------------------------------------------------------------


def _inference(evaluations: Sequence[Evaluation]) -> Mapping[str, Summary]:
    found: dict[str, Summary] = {}
    for rule in _RULES:
        name = f"test_{rule}_accuracy"
        if values := [each.metrics[name] for each in evaluations if name in each.metrics]:
            found[rule] = summarise(values)
    return found


def _failures(records: CellRecords) -> Failures:
    ends = [each.outcome for each in records.evaluations]
    return Failures(
        replicates=len(ends),
        diverged=ends.count(Outcome.DIVERGED),
        failed=ends.count(Outcome.FAILED),
        majority=sum(_is_majority(each, records.data) for each in records.evaluations),
    )


def _is_majority(evaluation: Evaluation, data: DataRecord | None) -> bool:
    """Whether it was trained to the end, and is right no more often than one answer for all."""
    if data is None or evaluation.outcome is not None:
        return False
    accuracy = evaluation.metrics.get("test_accuracy")
    if evaluation.confusion:
        confusion_CC = np.array(evaluation.confusion)
        accuracy = float(confusion_CC.trace() / confusion_CC.sum())
    return accuracy is not None and accuracy <= data.majority_share


def _variances(records: CellRecords, scores: Sequence[float]) -> Variances:
    completed = [each.replicate_scores for each in records.trials if each.outcome is Outcome.COMPLETED]
    common = min(map(len, completed), default=0)
    scores_TR = [values[:common] for values in completed]
    seed = _seed_variance(records)
    total = float(np.var(scores, ddof=1)) if len(scores) > 1 else None
    return Variances(
        configuration=configuration_variance(scores_TR) if common else None,
        draw=max(0.0, total - seed) if total is not None and seed is not None else None,
        seed=seed,
    )


def _seed_variance(records: CellRecords) -> float | None:
    """From the draws that were trained with two initialisations."""
    known = {(each.draw, each.initialisation): records.score(each) for each in records.evaluations}
    pairs = [(known.get((draw, 0)), again) for (draw, initialisation), again in known.items() if initialisation == 1]
    whole = [(first, second) for first, second in pairs if first is not None and second is not None]
    return seed_variance([first for first, _ in whole], [second for _, second in whole])


def _cost(records: CellRecords) -> Cost:
    again = [each.evaluation for record in records.finalists for each in record.replicates]
    begun = {(trial.number, each.evaluation.replicate) for trial in records.trials for each in trial.evaluations}
    confirmations = (*records.finalists, *records.confirmations)
    return Cost(
        trials=outcomes(records.trials),
        replicates=len(begun) + len(again),
        possible_replicates=sum(trial.config.replicates for trial in records.trials) + len(again),
        spent=spent(records.trials, confirmations),
        discarded=sum(len(each.discarded) for each in records.trials)
        + sum(len(each.discarded) for each in confirmations),
    )


def _confusion(evaluations: Sequence[Evaluation]) -> tuple[tuple[int, ...], ...]:
    found = [np.array(each.confusion) for each in evaluations if each.confusion]
    return tuple(tuple(map(int, row_C)) for row_C in sum(found[1:], start=found[0])) if found else ()
