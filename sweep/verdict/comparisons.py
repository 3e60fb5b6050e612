"""Comparisons of arms: paired differences to the baseline, one correction over the whole sweep, and the best arm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from sweep.records.results import SweepResults
from sweep.spec.model import SweepSpec
from sweep.verdict.arms import build_arm, cell_records, majority_scores, training_rows_of
from sweep.verdict.crossed import crossed_difference, likely_best
from sweep.verdict.groups import Group
from sweep.verdict.model import Arm, Comparison
from sweep.verdict.power import draws_needed, resolving
from sweep.verdict.statistics import LEVEL, Difference, equivalence_p, holm, paired_difference, probability_of_best
from sweep.verdict.wording import sentence
from trainable.draws import CONFIRMATION_START

__all__ = ["arm_difference", "compare"]


_USUAL = ("frozen", "cross_entropy")
"""The baselines unless the spec names another: what costs next to nothing, then what everybody trains with."""
_REFERENCES = ("frozen", "setfit", "cross_entropy")
"""What a reader would do without this sweep, and asks the gain over."""


def compare(results: SweepResults, spec: SweepSpec, groups: Sequence[Group]) -> tuple[tuple[Comparison, ...], int]:
    """One comparison for each group, and the number of tests over all comparisons."""
    raw = [_comparison(results, spec, group) for group in groups]
    differences = [arm.difference for comparison in raw for arm in comparison.arms if arm.difference is not None]
    margin = spec.confirm.margin / 100
    differs = holm([difference.p_value for difference in differences])
    equals = holm([equivalence_p(difference, margin) for difference in differences])
    corrected = iter(zip(differs.tolist(), equals.tolist(), strict=True))
    family = len(differences)
    return tuple(_tested(comparison, corrected, family, spec.confirm.margin) for comparison in raw), family


def _comparison(results: SweepResults, spec: SweepSpec, group: Group) -> Comparison:
    """The comparison of a group, without the fields that depend on other comparisons (p-values, best, sentence)."""
    cells = [cell_records(results, cell, spec.confirm) for cell in group.cells]
    wanted = range(CONFIRMATION_START, CONFIRMATION_START + spec.confirm.draws)
    draws = tuple(sorted({*wanted, *(evaluation.draw for cell in cells for evaluation in cell.evaluations)}))
    arms = [build_arm(cell, draws) for cell in cells]
    baseline = _baseline(spec, arms)
    data = next((cell.data for cell in cells if cell.data is not None), None)
    return Comparison(
        dataset=group.config.dataset.name,
        shots=group.config.shots,
        sampling=group.config.sampling,
        others=group.others,
        baseline=baseline,
        draws=draws,
        labels=None if data is None else training_rows_of(group.config, data),
        majority=None if data is None else majority_scores(data)[group.config.metric],
        arms=_with_probabilities(_with_differences(arms, baseline)),
        best=None,
        sentence="",
    )


def _baseline(spec: SweepSpec, arms: Sequence[Arm]) -> str | None:
    """The method that the others are compared with; None if there are no others."""
    methods = [arm.method for arm in arms]
    if len(methods) < 2:
        return None
    usual = next((name for name in _USUAL if name in methods), methods[0])
    return spec.confirm.baseline or usual


def _with_differences(arms: Sequence[Arm], baseline: str | None) -> list[Arm]:
    base = next((arm for arm in arms if arm.method == baseline), None)
    if base is None:
        return list(arms)
    return [
        arm if arm is base else replace(arm, difference=arm_difference(arm, base), turned=_turned(arm, base))
        for arm in arms
    ]


def _turned(arm: Arm, base: Arm) -> dict[str, float]:
    """The rules by which the same models differ from the baseline the other way round, with the mean difference."""
    shown = arm_difference(arm, base)
    if shown is None or arm.winner is None or arm.winner.config.metric != "accuracy":
        return {}
    found = {}
    for rule, scores in arm.by_rule.items():
        other = arm_difference(replace(arm, scores=scores), replace(base, scores=base.by_rule.get(rule, base.scores)))
        if other is not None and other.mean * shown.mean < 0:
            found[rule] = other.mean
    return found


def arm_difference(arm: Arm, base: Arm) -> Difference | None:
    """The paired difference over the draws that both arms have; None without any, or where they tested other rows."""
    both = zip(arm.scores, base.scores, strict=True)
    pairs = [(ours, theirs) for ours, theirs in both if ours is not None and theirs is not None]
    common = [place for place in arm.rows_by_draw if place in base.rows_by_draw]
    tested = ([np.isnan(each.rows_by_draw[place]) for place in common] for each in (arm, base))
    if not all(np.array_equal(ours, theirs) for ours, theirs in zip(*tested, strict=True)):
        return None
    if len(common) == len(pairs) and _crossed(arm, common):
        return crossed_difference(*(np.stack([each.rows_by_draw[place] for place in common]) for each in (arm, base)))
    return paired_difference([ours for ours, _ in pairs], [theirs for _, theirs in pairs]) if pairs else None


def _crossed(arm: Arm, places: Sequence[int]) -> bool:
    """Whether there are several draws and several rows, so that both can be told apart."""
    return len(places) >= 2 and len(arm.rows_by_draw[places[0]]) >= 2


def _with_probabilities(arms: Sequence[Arm]) -> tuple[Arm, ...]:
    """The arms with their probability of being best, over the draws common to all arms that have any scores."""
    scored = [arm for arm in arms if arm.summary is not None]
    scores_by_draw = zip(*(arm.scores for arm in scored), strict=True)
    common = [scores for scores in scores_by_draw if None not in scores]
    if len(scored) < 2 or not common:
        return tuple(arms)
    places = [place for place in scored[0].rows_by_draw if all(place in arm.rows_by_draw for arm in scored)]
    if len(places) == len(common) and _crossed(scored[0], places):
        shares = likely_best([np.stack([arm.rows_by_draw[place] for place in places]) for arm in scored])
    else:
        shares = probability_of_best(list(zip(*common, strict=True)))
    by_cell = dict(zip((arm.cell for arm in scored), shares, strict=True))
    return tuple(replace(arm, probability_of_best=by_cell.get(arm.cell)) for arm in arms)


def _tested(comparison: Comparison, corrected: Iterator[tuple[float, float]], family: int, margin: float) -> Comparison:
    """The comparison with the fields that depend on all tests of the sweep.

    corrected: the corrected p-values of the remaining differences, of a difference and of equivalence, in the order of
        comparisons and arms.
    family: number of all tests.
    margin: of equivalence, in points.
    """
    arms = tuple(
        arm if arm.difference is None else _tested_arm(arm, arm.difference, *next(corrected), family, margin)
        for arm in comparison.arms
    )
    best = _best(arms, comparison.baseline)
    tested = replace(comparison, arms=arms, best=best, references=_references(arms, best, comparison.baseline))
    return replace(tested, sentence=sentence(tested, family, margin))


def _references(arms: Sequence[Arm], best: Arm | None, baseline: str | None) -> dict[str, Difference]:
    if best is None or best.method == baseline:  # whose differences to all others are tested
        return {}
    others = [arm for arm in arms if arm.method in _REFERENCES and arm.method not in (best.method, baseline)]
    found = {arm.method: arm_difference(best, arm) for arm in others}
    return {method: difference for method, difference in found.items() if difference is not None}


def _tested_arm(
    arm: Arm, difference: Difference, corrected: float, equivalent: float, family: int, margin: float
) -> Arm:
    level = LEVEL / family
    arm = replace(arm, p_corrected=corrected, p_equivalent=equivalent if margin else None)
    if difference.components is not None:
        needed, rows = resolving(difference.components, level)
        return replace(arm, draws_needed=needed, rows_needed=rows)
    needed = draws_needed(difference.mean, difference.sd, level) if difference.n > 1 else None
    return replace(arm, draws_needed=needed)


def _best(arms: Sequence[Arm], baseline: str | None) -> Arm | None:
    """The arm with the largest paired difference, or the first of equals; without differences, the highest mean.

    A paired difference is not affected by draws that an arm lacks.
    """
    base = next((arm.summary.mean for arm in arms if arm.method == baseline and arm.summary), 0.0)

    def lead(arm: Arm) -> float:
        assert arm.summary is not None
        return arm.difference.mean if arm.difference else arm.summary.mean - base

    return max((arm for arm in arms if arm.summary is not None), key=lead, default=None)
