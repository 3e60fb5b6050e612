"""The verdict of a sweep: which method beats the baseline, by how much, and how certain that is.

A method is a recipe with its loss. A comparison holds all compared axes but these two fixed (one dataset, one number of
shots, ...). Its arms, one for each method, were confirmed on the same draws, so that every difference is paired. Where
one method alone is compared, the arms are those of the other axes, such as encoders.

    records -> groups -> arms -> comparisons (paired tests, one correction) -> overall, wording, cautions -> Verdict
"""

from __future__ import annotations

from collections.abc import Sequence

from sweep.records.results import SweepResults
from sweep.records.trial import TrialRecord
from sweep.spec.groups import groups
from sweep.spec.model import SweepSpec
from sweep.verdict.across import AxisDifference, axis_differences
from sweep.verdict.aggregates import gains, ranks
from sweep.verdict.cautions import cautions
from sweep.verdict.comparisons import compare
from sweep.verdict.cost import Cost
from sweep.verdict.model import Arm, Comparison, Failures, Gain, Variances, Verdict
from sweep.verdict.outlook import Outlook, outlooks
from sweep.verdict.overall_wording import overall, sentences
from sweep.verdict.summary import summary
from sweep.verdict.wording import selection

__all__ = [
    "Arm",
    "AxisDifference",
    "Comparison",
    "Cost",
    "Failures",
    "Gain",
    "Outlook",
    "Variances",
    "Verdict",
    "overall",
    "sentences",
    "summary",
    "verdict",
]


def verdict(results: SweepResults) -> Verdict:
    """The verdict on the results of a sweep, finished or not: a pure function of its records."""
    spec = SweepSpec.recorded(results.sweep.spec)
    compared_groups = groups(spec)
    comparisons, family = compare(results, spec, compared_groups)
    return Verdict(
        comparisons=comparisons,
        family=family,
        gains=gains(comparisons),
        ranks=ranks(comparisons),
        outlooks=outlooks(comparisons, _by_cell(results)),
        axes=axis_differences(compared_groups, comparisons),
        selection=selection(compared_groups, spec.confirm, _draws(spec, comparisons), results.sweep.data),
        warnings=cautions(results, spec, compared_groups, comparisons, family),
    )


def _draws(spec: SweepSpec, comparisons: Sequence[Comparison]) -> int:
    """The confirmation draws that were asked for, or those on record where more had been asked for before."""
    known = (arm.summary.n for each in comparisons for arm in each.arms if arm.summary is not None)
    return max(spec.confirm.draws, *known, 0)


def _by_cell(results: SweepResults) -> dict[str, list[TrialRecord]]:
    found: dict[str, list[TrialRecord]] = {}
    for trial in results.trials:
        found.setdefault(trial.cell, []).append(trial)
    return found
