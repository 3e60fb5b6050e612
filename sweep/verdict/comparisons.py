"""From arms to comparisons: paired differences to the baseline, one correction over the whole sweep, who is best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sweep.records.results import SweepResults
from sweep.spec.model import SweepSpec
from sweep.verdict.arms import arm, cell_records
from sweep.verdict.groups import Group
from sweep.verdict.model import Arm, Comparison
from sweep.verdict.statistics import LEVEL, Difference, draws_needed, holm, paired_difference, probability_of_best
from sweep.verdict.wording import sentence
from trainable.draws import CONFIRMATION_START

__all__ = ["compared"]


def compared(results: SweepResults, spec: SweepSpec, groups: Sequence[Group]) -> tuple[tuple[Comparison, ...], int]:
    """A comparison for each group, and the number of tests in all of them together."""
    raw = [_comparison(results, spec, group) for group in groups]
    tests = [one.difference.p_value for each in raw for one in each.arms if one.difference is not None]
    corrected = iter(holm(tests).tolist())
    return tuple(_judged(each, corrected, len(tests)) for each in raw), len(tests)


def _comparison(results: SweepResults, spec: SweepSpec, group: Group) -> Comparison:
    """Everything that the other comparisons have no part in."""
    records = [cell_records(results, cell, spec.confirm) for cell in group.cells]
    wanted = range(CONFIRMATION_START, CONFIRMATION_START + spec.confirm.draws)
    draws = tuple(sorted({*wanted, *(report.draw for each in records for report in each.evaluations)}))
    arms = [arm(each, draws) for each in records]
    baseline = _baseline(spec, arms)
    return Comparison(
        dataset=group.config.dataset.name,
        shots=group.config.shots,
        sampling=group.config.sampling,
        others=group.others,
        baseline=baseline,
        draws=draws,
        arms=_with_probabilities(_with_differences(arms, baseline)),
        best=None,
        sentence="",
    )


def _baseline(spec: SweepSpec, arms: Sequence[Arm]) -> str | None:
    """None where there is nothing to compare with it."""
    losses = [each.loss for each in arms]
    if len(losses) < 2:
        return None
    usual = "cross_entropy" if "cross_entropy" in losses else losses[0]
    return spec.confirm.baseline or usual


def _with_differences(arms: Sequence[Arm], baseline: str | None) -> list[Arm]:
    base = next((each for each in arms if each.loss == baseline), None)
    if base is None:
        return list(arms)
    return [each if each is base else replace(each, difference=_difference(each, base)) for each in arms]


def _difference(one: Arm, base: Arm) -> Difference | None:
    """Over the draws that both have; None without any."""
    both = zip(one.scores, base.scores, strict=True)
    pairs = [(ours, theirs) for ours, theirs in both if ours is not None and theirs is not None]
    return paired_difference([ours for ours, _ in pairs], [theirs for _, theirs in pairs]) if pairs else None


def _with_probabilities(arms: Sequence[Arm]) -> tuple[Arm, ...]:
    """Among the arms that have any scores, over the draws that all of these have."""
    scored = [each for each in arms if each.summary is not None]
    rows_N = zip(*(each.scores for each in scored), strict=True)
    common = [row for row in rows_N if None not in row]
    if len(scored) < 2 or not common:
        return tuple(arms)
    shares = dict(
        zip((each.cell for each in scored), probability_of_best(list(zip(*common, strict=True))), strict=True)
    )
    return tuple(replace(each, probability_of_best=shares.get(each.cell)) for each in arms)


def _judged(comparison: Comparison, corrected: Iterator[float], family: int) -> Comparison:
    """With what it takes all tests of the sweep to know. corrected: their p-values, in the order of arms."""
    arms = tuple(
        each if each.difference is None else _tested(each, each.difference, next(corrected), family)
        for each in comparison.arms
    )
    judged = replace(comparison, arms=arms, best=_best(arms, comparison.baseline))
    return replace(judged, sentence=sentence(judged, family))


def _tested(one: Arm, difference: Difference, corrected: float, family: int) -> Arm:
    needed = draws_needed(difference.mean, difference.sd, LEVEL / family) if difference.n > 1 else None
    return replace(one, p_corrected=corrected, draws_needed=needed)


def _best(arms: Sequence[Arm], baseline: str | None) -> Arm | None:
    """By the paired difference, if there is one, so that draws that an arm lacks do not decide; of equals the first."""
    base = next((each.summary.mean for each in arms if each.loss == baseline and each.summary), 0.0)

    def lead(one: Arm) -> float:
        assert one.summary is not None
        return one.difference.mean if one.difference else one.summary.mean - base

    return max((each for each in arms if each.summary is not None), key=lead, default=None)
