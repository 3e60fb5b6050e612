"""The numbers of a sweep as rows: arms, draws, trials."""

from __future__ import annotations

from collections.abc import Sequence

from sweep.records.results import SweepResults
from sweep.report.chart import Row, Value, csv_text
from sweep.verdict import Arm, Comparison, Verdict

__all__ = ["DRAW_COLUMNS", "TRIAL_COLUMNS", "arm_rows", "draw_rows", "to_csv", "trial_rows"]

DRAW_COLUMNS = ("dataset", "shots", "others", "method", "draw", "score")
"""The keys of each of `draw_rows`."""
TRIAL_COLUMNS = ("cell", "trial", "outcome", "score", "replicates", "seconds", "reason")
"""The keys of each of `trial_rows`, before those of its search."""


def to_csv(verdict: Verdict) -> str:
    """A row for each arm with every number of the verdict; scores and differences are shares from 0 to 1."""
    return csv_text(arm_rows(verdict))


def arm_rows(verdict: Verdict) -> list[Row]:
    """A row for each arm with every number of the verdict; scores and differences are shares from 0 to 1."""
    return [_arm_row(comparison, arm) for comparison in verdict.comparisons for arm in comparison.arms]


def draw_rows(verdict: Verdict) -> list[Row]:
    """A row for each arm and confirmation draw, with the test score; None where it failed or is missing."""
    return [
        _row(DRAW_COLUMNS, comparison.dataset, comparison.shots, comparison.others, arm.method, draw, score)
        for comparison in verdict.comparisons
        for arm in comparison.arms
        for draw, score in zip(comparison.draws, arm.scores, strict=False)
    ]


def trial_rows(results: SweepResults) -> list[Row]:
    """A row for each trial: where it stands, how it ended, its validation score, and what the search chose."""
    return [
        {
            **_row(
                TRIAL_COLUMNS,
                trial.cell,
                trial.number,
                str(trial.outcome) if trial.outcome is not None else "running",
                trial.score,
                len(trial.replicate_scores),
                trial.useful_seconds,
                trial.reason,
            ),
            **trial.params,
        }
        for trial in results.trials
    ]


def _row(columns: Sequence[str], *values: Value) -> Row:
    return dict(zip(columns, values, strict=True))


def _arm_row(comparison: Comparison, arm: Arm) -> Row:
    summary, difference, collapses = arm.summary, arm.difference, arm.collapses
    return {
        "dataset": comparison.dataset,
        "shots": comparison.shots,
        "sampling": comparison.sampling,
        "metric": comparison.metric,
        "others": comparison.others,
        "method": arm.method,
        "baseline": comparison.baseline,
        "trial": arm.winner.number if arm.winner else None,
        "draws": summary.n if summary else 0,
        "mean": summary.mean if summary else None,
        "sd": summary.sd if summary else None,
        "low": summary.low if summary else None,
        "high": summary.high if summary else None,
        "difference": difference.mean if difference else None,
        "difference_low": difference.low if difference else None,
        "difference_high": difference.high if difference else None,
        "p_value": difference.p_value if difference else None,
        "p_corrected": arm.p_corrected,
        "significant": "yes" if arm.significant else "no",
        "p_equivalent": arm.p_equivalent,
        "equivalent": "yes" if arm.equivalent else "no",
        "probability_of_best": arm.probability_of_best,
        "draws_needed": arm.draws_needed,
        "rows_needed": arm.rows_needed,
        "ended": arm.course.ended if arm.course else None,
        "collapsed": collapses.collapsed if collapses else None,
        "collapse_low": collapses.low if collapses else None,
        "collapse_high": collapses.high if collapses else None,
        "p_collapses": arm.p_collapses,
        "trained_lead": arm.trained_lead.mean if arm.trained_lead else None,
        "selection_score": arm.selection_score,
    }
