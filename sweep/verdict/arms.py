"""Arms of a comparison, each made of the records of one cell: scores on each draw, failures, variances and cost.

Shapes: T trials, R replicates, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweep.records.confirmation import ConfirmationRecord, Role
from sweep.records.results import SweepResults
from sweep.records.spent import spent
from sweep.records.sweep import DataRecord
from sweep.records.trial import TrialRecord, outcomes
from sweep.search.selection import winner
from sweep.spec.blocks import Confirm
from sweep.spec.cells import Cell
from sweep.verdict.collapses import collapses
from sweep.verdict.cost import Cost
from sweep.verdict.crossed import crossed_summary
from sweep.verdict.model import Arm, Failures, Variances
from sweep.verdict.statistics import LEVEL, Summary, summarise
from sweep.verdict.tested_rows import confirmed_score, majority_scores, right_rows, rows_by_draw
from sweep.verdict.variance import configuration_variance, seed_variance
from trainable.config import TrialConfig
from trainable.outcomes import Evaluation, Outcome
from trainable.recipes import RECIPES
from trainable.shots import training_rows

__all__ = ["CellRecords", "build_arm", "cell_records", "training_rows_of"]

_RULES = ("head", "nearest", "neighbours", "mixture")
_CHANCE = 2  # standard errors
_NEAR_CHANCE = 0.05  # what a mean recall may lie above chance by, at most, and still count as that


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRecords:
    """The records of one cell.

    cell: the cell itself.
    trials: all its trials.
    confirmations: of all trials that were ever its winner; more than one if the sweep was extended.
    finalists: further draws of its best trials.
    winner: the trial that `confirmation` confirms, or else the best one; None if no trial completed.
    confirmation: of the current winner or, if that has none yet, the last one.
    data: description of its dataset; None if the sweep has not recorded it.
    """

    cell: Cell
    trials: tuple[TrialRecord, ...]
    confirmations: tuple[ConfirmationRecord, ...]
    finalists: tuple[ConfirmationRecord, ...]
    winner: TrialRecord | None
    confirmation: ConfirmationRecord | None
    data: DataRecord | None

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """The evaluations of the confirmation."""
        return tuple(replicate.evaluation for replicate in self.confirmation.replicates) if self.confirmation else ()

    def score(self, evaluation: Evaluation) -> float | None:
        """The test score of a confirmation's evaluation; None if it failed, which says nothing about the method."""
        return confirmed_score(self.data, self.trials[0].config.metric, evaluation)


def cell_records(results: SweepResults, cell: Cell, confirm: Confirm) -> CellRecords:
    """The records of one cell among the results."""
    trials = tuple(trial for trial in results.trials if trial.cell == cell.key)
    retrained = tuple(record for record in results.confirmations if record.cell == cell.key)
    confirmations = tuple(record for record in retrained if record.role is Role.CONFIRMATION)
    chosen = winner(trials, retrained, confirm)
    current = [record for record in confirmations if chosen is not None and record.trial == chosen.number]
    confirmation = max(current or confirmations, key=lambda record: record.number, default=None)
    if confirmation is not None:
        chosen = next(trial for trial in trials if trial.number == confirmation.trial)
    return CellRecords(
        cell=cell,
        trials=trials,
        confirmations=confirmations,
        finalists=tuple(record for record in retrained if record.role is Role.FINALIST),
        winner=chosen,
        confirmation=confirmation,
        data=results.sweep.data.get(cell.dataset),
    )


def build_arm(records: CellRecords, name: str, kind: str, draws: Sequence[int]) -> Arm:
    """The arm of a cell, called so, without what depends on other arms (difference, p-value, probability of best)."""
    by_draw = {evaluation.draw: evaluation for evaluation in records.evaluations if evaluation.initialisation == 0}
    scores = tuple(records.score(by_draw[draw]) if draw in by_draw else None for draw in draws)
    known = [score for score in scores if score is not None]
    places = {place: by_draw[draw] for place, draw in enumerate(draws) if draw in by_draw and scores[place] is not None}
    rows = rows_by_draw(records.data, records.trials[0].config.metric, places) if places else {}
    collapsed = tuple(_has_collapsed(by_draw.get(draw), records.data) for draw in draws)
    return Arm(
        cell=records.cell.key,
        method=name,
        kind=kind,
        trains=RECIPES[records.cell.recipe].trains,
        winner=records.winner,
        confirmation=records.confirmation,
        scores=scores,
        summary=_summary(rows, known) if known else None,
        rows_by_draw=rows,
        selection_score=records.winner.score if records.winner else None,
        inference=_inference(records, list(by_draw.values())),
        by_rule=_by_rule([by_draw.get(draw) for draw in draws]),
        failures=_failures(records),
        collapses=collapses(records.trials, scores, collapsed, _majority_of(records)),
        collapsed=collapsed,
        variances=_variances(records, known),
        cost=_cost(records),
        confusion=_confusion(list(by_draw.values())),
    )


def training_rows_of(config: TrialConfig, data: DataRecord) -> int:
    """About how many rows a draw trains on; of the labels that validation sets aside, those of a number are known."""
    rows = training_rows(config.shots, config.sampling, pool=data.pool, folds=data.folds, classes=len(data.class_names))
    return rows - config.validation if config.shots == "all" and isinstance(config.validation, int) else rows


# ---- parts of an arm -------------------------------------------------------------------------------------------------


def _summary(rows_by_draw: Mapping[int, NDArray[np.float64]], scores: Sequence[float]) -> Summary:
    """The summary of at least one score, over draws and test rows where both are known and several."""
    if len(rows_by_draw) >= 2 and len(next(iter(rows_by_draw.values()))) >= 2:
        return crossed_summary(np.stack(list(rows_by_draw.values())))
    return summarise(scores)


def _inference(records: CellRecords, evaluations: Sequence[Evaluation]) -> Mapping[str, Summary]:
    found: dict[str, Summary] = {}
    for rule in _RULES:
        name = f"test_{rule}_accuracy"
        own = [evaluation for evaluation in evaluations if name in evaluation.metrics]
        if own:
            right = dict(enumerate(right_rows(records.data, own, rule)))
            found[rule] = _summary(right, [evaluation.metrics[name] for evaluation in own])
    return found


def _by_rule(evaluations: Sequence[Evaluation | None]) -> Mapping[str, tuple[float | None, ...]]:
    """Test accuracy of each draw by each rule that any of them was read by."""
    found = {
        rule: tuple(None if each is None else each.metrics.get(f"test_{rule}_accuracy") for each in evaluations)
        for rule in _RULES
    }
    return {rule: scores for rule, scores in found.items() if any(score is not None for score in scores)}


def _failures(records: CellRecords) -> Failures:
    ends = [evaluation.outcome for evaluation in records.evaluations]
    return Failures(
        replicates=len(ends),
        diverged=ends.count(Outcome.DIVERGED),
        failed=ends.count(Outcome.FAILED),
        majority=sum(_is_majority(evaluation, records.data) for evaluation in records.evaluations),
        restarted=sum(evaluation.metrics.get("restarts", 0) > 0 for evaluation in records.evaluations),
    )


def _is_majority(evaluation: Evaluation, data: DataRecord | None) -> bool:
    """True if training reached its end, but neither accuracy nor, beyond chance, mean recall is higher than that of
    always answering one class. A classifier that learned from balanced draws may be less accurate than that on an
    unbalanced test part, yet it tells the classes apart. On few rows, where chance reaches far, mean recalls within it
    are no failure unless they are near that of chance too. Where all rows are of one class, nobody can tell, nor where
    a draw tests so few that answers by chance are often all the same."""
    if data is None or evaluation.outcome is not None:
        return False
    if not evaluation.confusion:
        accuracy = evaluation.metrics.get("test_accuracy")
        return accuracy is not None and accuracy <= data.majority_share < 1
    confusion_CC = np.array(evaluation.confusion)
    rows_C = confusion_CC.sum(axis=1)
    present = rows_C > 0
    if np.count_nonzero(present) < 2:
        return False
    if evaluation.tested:  # a part of few rows, on which a classifier may be as bad as that by chance
        alike = float(((rows_C / rows_C.sum()) ** rows_C.sum()).sum())  # of answers as frequent as the classes are
        return int(np.count_nonzero(confusion_CC.sum(axis=0))) == 1 and alike <= LEVEL
    accurate = float(confusion_CC.trace() / confusion_CC.sum()) > data.majority_share
    recalls = confusion_CC.diagonal()[present] / rows_C[present]
    error = float(np.sqrt((recalls * (1 - recalls) / rows_C[present]).sum())) / present.sum()
    return bool(not accurate and recalls.mean() <= 1 / present.sum() + min(_CHANCE * error, _NEAR_CHANCE))


def _majority_of(records: CellRecords) -> float | None:
    """The score of always answering the most frequent class; None where the data or the metric is not known."""
    if records.data is None or not records.trials:
        return None
    return majority_scores(records.data)[records.trials[0].config.metric]


def _has_collapsed(evaluation: Evaluation | None, data: DataRecord | None) -> bool | None:
    """Whether a confirmation's training failed to train; None where it is missing, or ended with an error."""
    if evaluation is None or evaluation.outcome is Outcome.FAILED:
        return None
    return evaluation.outcome is Outcome.DIVERGED or _is_majority(evaluation, data)


def _variances(records: CellRecords, scores: Sequence[float]) -> Variances:
    completed = [trial.replicate_scores for trial in records.trials if trial.outcome is Outcome.COMPLETED]
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
    """The variance of the seed, from the draws that were trained with two initialisations."""
    scores = {(found.draw, found.initialisation): records.score(found) for found in records.evaluations}
    pairs = [(scores.get((draw, 0)), second) for (draw, number), second in scores.items() if number == 1]
    complete = [(first, second) for first, second in pairs if first is not None and second is not None]
    return seed_variance([first for first, _ in complete], [second for _, second in complete])


def _cost(records: CellRecords) -> Cost:
    further = sum(len(finalist.replicates) for finalist in records.finalists)
    begun = {(trial.number, child.evaluation.replicate) for trial in records.trials for child in trial.evaluations}
    retrained = (*records.finalists, *records.confirmations)
    return Cost(
        trials=outcomes(records.trials),
        replicates=len(begun) + further,
        trained=sum(len(trial.evaluations) / trial.config.evaluations for trial in records.trials) + further,
        possible_replicates=sum(trial.config.replicates for trial in records.trials) + further,
        spent=spent(records.trials, retrained),
        discarded=sum(len(trial.discarded) for trial in records.trials)
        + sum(len(record.discarded) for record in retrained),
    )


def _confusion(evaluations: Sequence[Evaluation]) -> tuple[tuple[int, ...], ...]:
    matrices = [np.array(evaluation.confusion) for evaluation in evaluations if evaluation.confusion]
    return tuple(tuple(map(int, row_C)) for row_C in sum(matrices[1:], start=matrices[0])) if matrices else ()
