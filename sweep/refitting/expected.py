"""What is expected of a kept classifier: its score on texts like the labelled ones, with an interval at 95 %.

A verdict's interval is of the number of labels that was compared, and of a mean over classifiers. The kept one is one
of them, and mostly has more labels. So it is scored by rows that it has not trained on: those of a test part, or else
each labelled row by a training like its own that left it out.

Shapes: K trainings, N rows, C classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sweep.verdict import Arm, Comparison
from sweep.verdict.contributions import contributions
from sweep.verdict.learning_curve import Expected, LearningCurve
from sweep.verdict.repeated import RepeatedParts
from sweep.verdict.statistics import LEVEL, Summary
from sweep.verdict.wording import METRICS
from trainable.calibration import effective_rows

if TYPE_CHECKING:
    from trainable.left_out import Answers
    from trainable.refitting import Refitted

__all__ = ["expected", "expected_score", "extrapolated"]


def expected(refitted: Refitted, comparison: Comparison, arm: Arm) -> str:
    """What is expected of it, and what was confirmed in the comparison, in sentences."""
    assert arm.summary is not None, "the arm is confirmed"
    assert arm.winner is not None, "a confirmed arm has a winner"
    metric = METRICS[arm.winner.config.metric]
    tested = f" and {arm.tested:,} test rows" if arm.tested else ""
    alone = arm.summary.n == 1  # which tells nothing of others, so that it has no interval
    score_there = f"{100 * arm.summary.mean:.1f} %" if alone else _shown(arm.summary)
    draws = "one draw" if alone else f"{arm.summary.n} draws"
    confirmed = f"{score_there} with {comparison.subtitle} on {draws}{tested}"
    answers = refitted.answers
    if answers is None:
        return (
            f"Expected {metric}: {confirmed}, as confirmed. It was trained on {refitted.rows:,} rows, and no row could "
            "be left out to test that."
        )
    score = expected_score(arm.winner.config.metric, answers, len(refitted.classifier.labels))
    rows = len(answers.labels_N)
    by = f"on {rows:,} rows that it has not trained on"
    if not answers.kept:
        by = f"on {rows:,} rows, each answered by a training like its own on {answers.trained:,} others"
    if answers.weights_N is not None and np.ptp(answers.weights_N) > 0:
        by += ", weighed so that classes are as frequent as among all"
    return f"Expected {metric}: {_shown(score)}, {by}. In the comparison it was confirmed at {confirmed}."


def expected_score(metric: str, answers: Answers, classes: int) -> Summary:
    """The mean score with its interval at 95 %, where each row counts as much as its weight says.

    Rows that one classifier answers are independent. Those that several trainings left out are not, since each row of
    one trained the others: their variance is raised as in `sweep.verdict.repeated`.
    """
    weights_N = np.ones(len(answers.labels_N)) if answers.weights_N is None else answers.weights_N
    values_N = contributions(metric, answers.labels_N, answers.predicted_N, classes, weights_N)
    trainings, mean = np.unique(answers.training_N), float((weights_N * values_N).mean())
    values_N = mean + weights_N * (values_N - mean)  # whose plain mean is the weighted one, with its variance
    if len(trainings) > 1:
        values_KN = np.where(answers.training_N == trainings[:, None], values_N, np.nan)
        sd, reach = float(np.nanmean(values_KN, axis=1).std(ddof=1)), RepeatedParts.of(values_KN, of="arm").reach(LEVEL)
    else:
        sd = float(values_N.std(ddof=1)) if len(values_N) > 1 else 0.0
        reach = _reach(weights_N, sd)
    return Summary(n=len(trainings), mean=mean, sd=sd, low=max(0.0, mean - reach), high=min(1.0, mean + reach))


def extrapolated(refitted: Refitted, curve: LearningCurve | None) -> str:
    """What the learning curve of the sweep says of so many labels, in a sentence; empty where it says nothing."""
    if curve is None:
        return ""
    per_class = curve.most.sampling == "per_class"
    labels = refitted.rows / (len(refitted.classifier.labels) if per_class else 1)
    score = curve.score_at(labels)
    if score is None:
        return ""
    unit = curve.most.counted
    return (
        f"The learning curve of the sweep, from {curve.fewer.shots} to {curve.most.shots} labels {unit}, would reach "
        f"{_shown(score)} at the {labels:.4g} {unit} that trained it: an extrapolation, by a power law."
    )


def _reach(weights_N: NDArray[np.float64], sd: float) -> float:
    """Half the length of the interval of the mean of rows of these weights, at least as if one of N + 2 rows of equal
    weight differed, whose mean would be as sure."""
    from scipy import special

    rows, equal = len(weights_N), effective_rows(weights_N)
    if rows < 2:
        return 1.0
    share = 1 / (equal + 2)
    error = max(sd / np.sqrt(rows), float(np.sqrt(share * (1 - share) / equal)))
    return float(-special.stdtrit(rows - 1, LEVEL / 2) * error)


def _shown(score: Summary | Expected) -> str:
    return f"{100 * score.mean:.1f} % (95 % interval {100 * score.low:.1f} to {100 * score.high:.1f})"
