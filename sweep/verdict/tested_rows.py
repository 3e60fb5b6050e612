"""The test rows of draws: which a classifier got right, and what each contributes to a score.

Shapes: S tested rows of a draw, T test rows of all draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sweep.records.confirmation import ConfirmationRecord
from sweep.records.sweep import DataRecord
from sweep.verdict.contributions import contributions
from trainable.outcomes import Evaluation, Outcome

__all__ = ["confirmed_score", "confirmed_scores", "majority_score", "majority_scores", "right_rows", "rows_by_draw"]


def rows_by_draw(
    data: DataRecord | None, metric: str, places: Mapping[int, Evaluation]
) -> Mapping[int, NDArray[np.float64]]:
    """What each test row contributes to the score of each draw, NaN where a draw does not test it; nothing unless that
    is known of all of them."""
    if data is None or data.labels is None or not places:
        return {}
    labels_T, found = data.labels.judged, {}
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


def right_rows(data: DataRecord | None, evaluations: Sequence[Evaluation], rule: str) -> list[NDArray[np.float64]]:
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


def confirmed_score(data: DataRecord | None, metric: str, evaluation: Evaluation) -> float | None:
    """The test score of a confirmation's evaluation: one that diverged counts as always answering the most frequent
    class, where the data is known; None if it failed, which says nothing about the method."""
    if evaluation.outcome is Outcome.DIVERGED and data is not None:
        return majority_score(data, metric, evaluation)
    return evaluation.metrics.get(f"test_{metric}") if evaluation.outcome is None else None


def confirmed_scores(data: DataRecord | None, record: ConfirmationRecord) -> list[float]:
    """The test scores of a confirmation's draws that have one, each in its first initialisation."""
    first = (each.evaluation for each in record.replicates if not each.evaluation.initialisation)
    scores = (confirmed_score(data, record.config.metric, evaluation) for evaluation in first)
    return [score for score in scores if score is not None]


def majority_scores(data: DataRecord) -> Mapping[str, float]:
    """The test score, by metric, of a classifier that always answers the most frequent class.

    For that class, recall is 1 and precision the share s of the class, so F1 is 2 s / (s + 1); for others F1 is 0.
    """
    share = data.majority_share
    f1 = 2 * share / (share + 1)
    present = sum(count > 0 for count in data.test_counts)
    return {"accuracy": share, "macro_f1": f1 / present, "weighted_f1": f1 * share}


def majority_score(data: DataRecord, metric: str, evaluation: Evaluation) -> float:
    """The score of always answering the most frequent class, on the rows that a draw tests."""
    if data.labels is None or not evaluation.tested:
        return majority_scores(data)[metric]
    labels_S = data.labels.judged[_tested(data, evaluation)]
    majority_S = np.full_like(labels_S, int(np.argmax(data.test_counts)))
    return float(contributions(metric, labels_S, majority_S, len(data.class_names)).mean())


def _tested(data: DataRecord, evaluation: Evaluation) -> NDArray[np.int64]:
    """The positions of the rows that a draw tests."""
    return np.array(evaluation.tested, dtype=np.int64) if evaluation.tested else np.arange(data.test)


def _placed(data: DataRecord, tested: NDArray[np.int64], values_S: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values of the tested rows at their places among all test rows, the others being NaN."""
    values_T = np.full(data.test, np.nan)
    values_T[tested] = values_S
    return values_T
