"""Comparisons of arms: paired differences to the baseline, one correction over the whole sweep, and the best arm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sweep.records.confirmation import Role
from sweep.records.results import SweepResults
from sweep.spec.groups import Group
from sweep.spec.model import SweepSpec
from sweep.verdict.arms import build_arm, cell_records, training_rows_of
from sweep.verdict.best_arm import best_arm, largest_difference
from sweep.verdict.collapses import allowing_for_collapses, collapses_differ_p, trained_lead
from sweep.verdict.crossed import crossed_difference, likely_best
from sweep.verdict.dependence import correlation
from sweep.verdict.family import Block, step_down
from sweep.verdict.model import Arm, Comparison
from sweep.verdict.power import draws_needed, resolving, rows_with_draws
from sweep.verdict.sequential import Design, course
from sweep.verdict.statistics import LEVEL, Difference, equivalence_p, holm, paired_difference, probability_of_best
from sweep.verdict.tested_rows import majority_scores
from sweep.verdict.wording import sentence
from trainable.draws import CONFIRMATION_START

__all__ = ["allowing_difference", "arm_difference", "compare", "draws_wanted", "planned_tests"]

_USUAL = ("frozen", "cross_entropy")
"""The baselines unless the spec names another: what costs next to nothing, then what everybody trains with."""
_REFERENCES = ("frozen", "setfit", "cross_entropy")
"""What a reader would do without this sweep, and asks the gain over."""


def compare(results: SweepResults, spec: SweepSpec, groups: Sequence[Group]) -> tuple[tuple[Comparison, ...], int]:
    """One comparison for each group, and the number of tests over all comparisons."""
    planned = planned_tests(groups)
    raw = [_comparison(results, spec, group, planned) for group in groups]
    tested = [
        (comparison, arm, arm.difference) for comparison in raw for arm in comparison.arms if arm.difference is not None
    ]
    family = planned if spec.confirm.look_draws else len(tested)
    together = [_correlation(comparison) for comparison in raw]
    differs = _differ(raw, together, family, in_looks=bool(spec.confirm.look_draws))
    equals = _holm([_equivalence_p(arm, found, spec.confirm.margin / 100) for _, arm, found in tested], family)
    collapse = _holm([_collapses_p(comparison, arm) for comparison, arm, _ in tested], family)
    corrected = iter(zip(differs, equals, collapse, strict=True))
    pairs = zip(raw, together, strict=True)
    return tuple(_tested(each, how, corrected, family, spec.confirm.margin) for each, how in pairs), family


def planned_tests(groups: Sequence[Group]) -> int:
    """How many comparisons with a baseline there will be."""
    return sum(len(group.cells) - 1 for group in groups)


def draws_wanted(results: SweepResults, spec: SweepSpec, group: Group, planned: int) -> dict[str, int]:
    """By cell of a group, the confirmation draws that it needs now: all, unless the spec has looks.

    planned: number of comparisons of the sweep.

    A pure function of the records.
    """
    found = _comparison(results, spec, group, planned)
    return {arm.cell: found.wanted(arm, spec.confirm.draws) for arm in found.arms}


def _differ(
    comparisons: Sequence[Comparison], together: Sequence[NDArray[np.float64]], family: int, *, in_looks: bool
) -> list[float]:
    """The corrected p-values of all differences. In looks, where arms end on draws of their own, by Holm's correction.

    together: by comparison, the correlation of its differences.
    """
    p_values = [[found.p_value for found in _differences(comparison)] for comparison in comparisons]
    if in_looks:
        return _holm([p_value for own in p_values for p_value in own], family)
    found = step_down([Block(own, how) for own, how in zip(p_values, together, strict=True)])
    return [p_value for own in found for p_value in own]


def _differences(comparison: Comparison) -> list[Difference]:
    return [arm.difference for arm in comparison.arms if arm.difference is not None]


def _correlation(comparison: Comparison) -> NDArray[np.float64]:
    base = comparison.arm(comparison.baseline)
    arms = [arm for arm in comparison.arms if arm.difference is not None]
    return correlation(arms, base) if base is not None and arms else np.eye(len(arms))


def _holm(p_values: Sequence[float], family: int) -> list[float]:
    """The p-values after Holm's correction over a family, of which the tests that are not made yet have shown
    nothing."""
    missing = [1.0] * (family - len(p_values))
    return [float(p_value) for p_value in holm([*p_values, *missing])[: len(p_values)]]


def _equivalence_p(arm: Arm, difference: Difference, margin: float) -> float:
    return equivalence_p(difference, margin) if arm.course is None else arm.course.p_equivalent


def _collapses_p(comparison: Comparison, arm: Arm) -> float:
    base = comparison.arm(comparison.baseline)
    assert base is not None, "the arm has a difference to it"
    return collapses_differ_p(arm, base)


def _comparison(results: SweepResults, spec: SweepSpec, group: Group, planned: int) -> Comparison:
    """The comparison of a group, without the fields that depend on other comparisons (p-values, best, sentence)."""
    cells = [cell_records(results, cell, spec.confirm) for cell in group.cells]
    draws = _draws(results, spec)
    arms = [build_arm(cell, name, group.kind, draws) for cell, name in zip(cells, group.names, strict=True)]
    baseline = _baseline(spec, arms)
    data = next((cell.data for cell in cells if cell.data is not None), None)
    return Comparison(
        dataset=group.config.dataset.name,
        shots=group.config.shots,
        sampling=group.config.sampling,
        metric=group.config.metric,
        others=group.others,
        baseline=baseline,
        draws=draws,
        labels=None if data is None else training_rows_of(group.config, data),
        majority=None if data is None else majority_scores(data)[group.config.metric],
        arms=_with_probabilities(_with_differences(arms, baseline, spec, planned)),
        best=None,
        sentence="",
    )


def _draws(results: SweepResults, spec: SweepSpec) -> tuple[int, ...]:
    """The draws that are wanted, and those on record of any comparison, which are more where fewer are wanted than
    before: scores of one method in two comparisons stand at the same places."""
    confirmed = (record for record in results.confirmations if record.role is Role.CONFIRMATION)
    known = {replicate.evaluation.draw for record in confirmed for replicate in record.replicates}
    return tuple(sorted({*range(CONFIRMATION_START, CONFIRMATION_START + spec.confirm.draws), *known}))


def _baseline(spec: SweepSpec, arms: Sequence[Arm]) -> str | None:
    """The method that the others are compared with; None if there are no others."""
    methods = [arm.method for arm in arms]
    if len(methods) < 2:
        return None
    usual = (name for name in (spec.confirm.baseline, *_USUAL) if name in methods)
    return next(usual, methods[0])


def _with_differences(arms: Sequence[Arm], baseline: str | None, spec: SweepSpec, planned: int) -> list[Arm]:
    base = next((arm for arm in arms if arm.method == baseline), None)
    if base is None:
        return list(arms)
    looks, margin = spec.confirm.look_draws, spec.confirm.margin / 100
    design = Design(looks=looks, family=planned, margin=margin, difference=allowing_difference) if looks else None
    return [arm if arm is base else _compared(arm, base, design) for arm in arms]


def _compared(arm: Arm, base: Arm, design: Design | None) -> Arm:
    difference = allowing_difference(arm, base)
    found = None if design is None else course(arm, base, design)
    if found is not None and difference is not None:
        difference = found.difference or replace(difference, p_value=1.0)  # before the first look nothing is shown
    return replace(
        arm,
        difference=difference,
        course=found,
        turned=_turned(arm, base),
        trained_lead=trained_lead(arm, base),
    )


def allowing_difference(arm: Arm, base: Arm) -> Difference | None:
    """The paired difference, allowing for collapses that few draws may not have shown; None as in `arm_difference`."""
    plain = arm_difference(arm, base)
    return None if plain is None else allowing_for_collapses(plain, arm, base)


def _turned(arm: Arm, base: Arm) -> dict[str, float]:
    """The rules by which the same models are shown to differ the other way round (the sign alone may be chance)."""
    shown = arm_difference(arm, base)
    if shown is None or arm.winner is None or arm.winner.config.metric != "accuracy":
        return {}
    found = {}
    for rule, scores in arm.by_rule.items():  # by their scores alone: the rows are known of the rule that is judged
        theirs = base.by_rule.get(rule, base.scores)
        every = zip(scores, theirs, arm.scores, base.scores, strict=True)
        known_N4 = np.array([each for each in every if None not in each], dtype=np.float64)
        if len(known_N4) < 2:
            continue
        other, judged = paired_difference(*known_N4[:, :2].T), float((known_N4[:, 2] - known_N4[:, 3]).mean())
        # A training that diverged has a score, and no other reading: what leaving it out does is not the reading's.
        turns = other.mean * shown.mean < 0 and other.mean * judged < 0
        if turns and not other.low <= 0 <= other.high:
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
    """The arms with their probability of being best, over the draws that all with scores have, if there are several."""
    scored = [arm for arm in arms if arm.summary is not None]
    scores_by_draw = zip(*(arm.scores for arm in scored), strict=True)
    common = [scores for scores in scores_by_draw if None not in scores]
    if len(scored) < 2 or len(common) < 2:  # one draw names a best, and does not tell how sure that is
        return tuple(arms)
    places = [place for place in scored[0].rows_by_draw if all(place in arm.rows_by_draw for arm in scored)]
    if len(places) == len(common) and _crossed(scored[0], places):
        shares = likely_best([np.stack([arm.rows_by_draw[place] for place in places]) for arm in scored])
    else:
        shares = probability_of_best(list(zip(*common, strict=True)))
    by_cell = dict(zip((arm.cell for arm in scored), shares, strict=True))
    return tuple(replace(arm, probability_of_best=by_cell.get(arm.cell)) for arm in arms)


def _tested(
    comparison: Comparison,
    together: NDArray[np.float64],
    corrected: Iterator[tuple[float, float, float]],
    family: int,
    margin: float,
) -> Comparison:
    """The comparison with the fields that depend on all tests of the sweep.

    together: the correlation of its differences.
    corrected: the corrected p-values of the remaining differences, of a difference, of equivalence and of unequal
        collapses, in the order of comparisons and arms.
    family: number of all tests.
    margin: of equivalence, in points.
    """
    arms = tuple(
        arm if arm.difference is None else _tested_arm(arm, arm.difference, next(corrected), family, margin)
        for arm in comparison.arms
    )
    best = best_arm(arms, comparison.baseline)
    tested = replace(
        comparison,
        arms=arms,
        best=best,
        references=_references(arms, best, comparison.baseline),
        named_best=largest_difference(arms, together),
    )
    return replace(tested, sentence=sentence(tested, family, margin))


def _references(arms: Sequence[Arm], best: Arm | None, baseline: str | None) -> dict[str, Difference]:
    if best is None or best.method == baseline:  # whose differences to all others are tested
        return {}
    others = [arm for arm in arms if arm.method in _REFERENCES and arm.method not in (best.method, baseline)]
    found = {arm.method: allowing_difference(best, arm) for arm in others}
    return {method: difference for method, difference in found.items() if difference is not None}


def _tested_arm(
    arm: Arm, difference: Difference, corrected: tuple[float, float, float], family: int, margin: float
) -> Arm:
    level, (differs, equals, collapses) = LEVEL / family, corrected
    arm = replace(arm, p_corrected=differs, p_equivalent=equals if margin else None, p_collapses=collapses)
    if (found := difference.components) is not None:
        needed, rows = resolving(found, level)
        return replace(arm, draws_needed=needed, rows_needed=rows, rows_with_draws=rows_with_draws(found, level))
    needed = draws_needed(difference.mean, difference.sd, level) if difference.n > 1 else None
    return replace(arm, draws_needed=needed)
