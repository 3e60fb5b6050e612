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
from sweep.verdict.contributions import contributions
from sweep.verdict.crossed import crossed_summary
from sweep.verdict.model import Arm, Cost, Failures, Variances
from sweep.verdict.statistics import Summary, summarise
from sweep.verdict.variance import configuration_variance, seed_variance
from trainable.config import TrialConfig
from trainable.outcomes import Evaluation, Outcome
from trainable.shots import training_rows

__all__ = ["CellRecords", "build_arm", "cell_records", "majority_scores", "training_rows_of"]

_RULES = ("head", "nearest", "neighbours", "mixture")
_CHANCE = 2  # standard errors


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
        metric = self.trials[0].config.metric
        if evaluation.outcome is Outcome.DIVERGED and self.data is not None:
            return _majority_score(self.data, metric, evaluation)
        return evaluation.metrics.get(f"test_{metric}") if evaluation.outcome is None else None


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
        data=results.sweep.data.get(str(next(iter(cell.fixed.values()))["dataset"])),
    )


def build_arm(records: CellRecords, draws: Sequence[int]) -> Arm:
    """The arm of a cell, without the fields that depend on other arms (difference, p-value, probability of best)."""
    by_draw = {evaluation.draw: evaluation for evaluation in records.evaluations if evaluation.initialisation == 0}
    scores = tuple(records.score(by_draw[draw]) if draw in by_draw else None for draw in draws)
    known = [score for score in scores if score is not None]
    places = {place: by_draw[draw] for place, draw in enumerate(draws) if draw in by_draw and scores[place] is not None}
    rows_by_draw = _rows_by_draw(records, places)
    collapsed = tuple(_has_collapsed(by_draw.get(draw), records.data) for draw in draws)
    return Arm(
        cell=records.cell.key,
        method=records.cell.method,
        winner=records.winner,
        confirmation=records.confirmation,
        scores=scores,
        summary=_summary(rows_by_draw, known) if known else None,
        rows_by_draw=rows_by_draw,
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


def majority_scores(data: DataRecord) -> Mapping[str, float]:
    """The test score, by metric, of a classifier that always answers the most frequent class.

    For that class, recall is 1 and precision the share s of the class, so F1 is 2 s / (s + 1); for others F1 is 0.
    """
    share = data.majority_share
    f1 = 2 * share / (share + 1)
    present = sum(count > 0 for count in data.test_counts)
    return {"accuracy": share, "macro_f1": f1 / present, "weighted_f1": f1 * share}


# ---- parts of an arm -------------------------------------------------------------------------------------------------


def _rows_by_draw(records: CellRecords, places: Mapping[int, Evaluation]) -> Mapping[int, NDArray[np.float64]]:
    """What each test row contributes to the score of each draw, NaN where a draw does not test it; nothing unless that
    is known of all of them."""
    data = records.data
    if data is None or data.labels is None or not places:
        return {}
    labels_T, metric = data.labels.judged, records.trials[0].config.metric
    found = {}
    for place, evaluation in places.items():
        tested = _tested(data, evaluation)
        if evaluation.outcome is Outcome.DIVERGED:  # scored as a classifier that always answers the majority class
            predicted_S = np.full(len(tested), int(np.argmax(data.test_counts)))
        elif evaluation.predicted is None:
            return {}
        else:
            predicted_S = evaluation.predicted.judged
        found[place] = _placed(
            data, tested, contributions(metric, labels_T[tested], predicted_S, len(data.class_names))
        )
    return found


def _tested(data: DataRecord, evaluation: Evaluation) -> NDArray[np.int64]:
    """The positions of the rows that a draw tests."""
    return np.array(evaluation.tested, dtype=np.int64) if evaluation.tested else np.arange(data.test)


def _placed(data: DataRecord, tested: NDArray[np.int64], values_S: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values of the tested rows at their places among all test rows, the others being NaN."""
    values_T = np.full(data.test, np.nan)
    values_T[tested] = values_S
    return values_T


def _majority_score(data: DataRecord, metric: str, evaluation: Evaluation) -> float:
    """The score of always answering the most frequent class, on the rows that a draw tests."""
    if data.labels is None or not evaluation.tested:
        return majority_scores(data)[metric]
    labels_S = data.labels.judged[_tested(data, evaluation)]
    majority_S = np.full_like(labels_S, int(np.argmax(data.test_counts)))
    return float(contributions(metric, labels_S, majority_S, len(data.class_names)).mean())


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
            right = dict(enumerate(_right(records.data, own, rule)))
            found[rule] = _summary(right, [evaluation.metrics[name] for evaluation in own])
    return found


def _right(data: DataRecord | None, evaluations: Sequence[Evaluation], rule: str) -> list[NDArray[np.float64]]:
    """Which test rows a rule got right, evaluation by evaluation, NaN where untested; nothing unless that is known of
    all of them."""
    if data is None or data.labels is None:
        return []
    known = [evaluation.predicted.by_rule() for evaluation in evaluations if evaluation.predicted is not None]
    if len(known) < len(evaluations) or any(rule not in classes for classes in known):
        return []
    labels_T, found = data.labels.judged, []
    for evaluation, classes in zip(evaluations, known, strict=True):
        tested = _tested(data, evaluation)
        found.append(_placed(data, tested, (classes[rule] == labels_T[tested]).astype(np.float64)))
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
    unbalanced test part, yet it tells the classes apart."""
    if data is None or evaluation.outcome is not None:
        return False
    if not evaluation.confusion:
        accuracy = evaluation.metrics.get("test_accuracy")
        return accuracy is not None and accuracy <= data.majority_share
    confusion_CC = np.array(evaluation.confusion)
    if evaluation.tested:  # a part of few rows, on which a classifier may be as bad as that by chance
        return int(np.count_nonzero(confusion_CC.sum(axis=0))) == 1
    accurate = float(confusion_CC.trace() / confusion_CC.sum()) > data.majority_share
    rows_C = confusion_CC.sum(axis=1)
    present = rows_C > 0
    recalls = confusion_CC.diagonal()[present] / rows_C[present]
    error = float(np.sqrt((recalls * (1 - recalls) / rows_C[present]).sum())) / present.sum()
    return bool(not accurate and recalls.mean() <= 1 / present.sum() + _CHANCE * error)


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
        possible_replicates=sum(trial.config.replicates for trial in records.trials) + further,
        spent=spent(records.trials, retrained),
        discarded=sum(len(trial.discarded) for trial in records.trials)
        + sum(len(record.discarded) for record in retrained),
    )


def _confusion(evaluations: Sequence[Evaluation]) -> tuple[tuple[int, ...], ...]:
    matrices = [np.array(evaluation.confusion) for evaluation in evaluations if evaluation.confusion]
    return tuple(tuple(map(int, row_C)) for row_C in sum(matrices[1:], start=matrices[0])) if matrices else ()
