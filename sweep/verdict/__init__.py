"""From the records of a sweep to its verdict: which loss beats the baseline, by how much, and how sure that is.

A comparison is made within one combination of all compared axes but the loss (a dataset, a number of shots, ...). All
its arms, one for each loss, were confirmed on the same draws, so that every difference is paired.

    records -> groups -> arms -> comparisons (paired tests, one correction) -> overall, wording, cautions -> Verdict
"""

from __future__ import annotations

from sweep.records.results import SweepResults
from sweep.spec.model import SweepSpec
from sweep.verdict.aggregates import gains, ranks
from sweep.verdict.cautions import cautions
from sweep.verdict.comparisons import compared
from sweep.verdict.groups import groups
from sweep.verdict.model import Arm, Comparison, Cost, Failures, Gain, Variances, Verdict
from sweep.verdict.wording import selection

__all__ = ["Arm", "Comparison", "Cost", "Failures", "Gain", "Variances", "Verdict", "verdict"]


def verdict(results: SweepResults) -> Verdict:
    """What the records say, as far as they go: a pure function, the same for the same records at any time and place."""
    spec = SweepSpec.model_validate(results.sweep.spec)
    within = groups(spec)
    comparisons, family = compared(results, spec, within)
    return Verdict(
        comparisons=comparisons,
        family=family,
        gains=gains(comparisons),
        ranks=ranks(comparisons),
        selection=selection(within, spec.confirm),
        warnings=cautions(results, spec, within, comparisons, family),
    )
