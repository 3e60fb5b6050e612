"""Confirming in looks: the bounds, when a comparison ends, and that an interrupted sweep decides the same."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

from sweep.cli.plan import _confirmation
from sweep.records.results import SweepResults
from sweep.scheduling.assignment import Assignment
from sweep.scheduling.dispatcher import Dispatcher
from sweep.spec.blocks import Confirm
from sweep.verdict import Arm, Verdict, verdict
from sweep.verdict.aggregates import _by_draw
from sweep.verdict.course import Ended
from sweep.verdict.looks import Bounds, conditional_power
from sweep.verdict.statistics import LEVEL
from tests.sweeps.grid import evaluated, spec
from tests.sweeps.started_dispatcher import dispatcher
from tests.sweeps.synthetic_results import synthetic_results
from trainable.draws import CONFIRMATION_START as FIRST
from trainable.outcomes import Evaluation

LOOKS = (8, 10, 13, 18, 24)

# ---- the bounds ------------------------------------------------------------------------------------------------------


def crossed(bounds: Bounds, level: float, paths: int = 200_000) -> list[float]:
    """The share of simulated Brownian motions that have crossed by each look."""
    rng, looks = np.random.default_rng(0), np.array(LOOKS)
    steps = rng.normal(size=(paths, len(looks))) * np.sqrt(np.diff([0, *looks]))
    p_values = 2 * special.ndtr(-np.abs(np.cumsum(steps, axis=1) / np.sqrt(looks)))
    return list(np.maximum.accumulate(p_values < bounds.nominal(level), axis=1).mean(axis=0))


@pytest.mark.slow
@pytest.mark.parametrize("level", [LEVEL, LEVEL / 6])
def test_each_look_spends_its_part_of_the_level(level: float) -> None:
    spent = [level * (look / LOOKS[-1]) ** 2 for look in LOOKS]
    assert crossed(Bounds.of(LOOKS), level) == pytest.approx(spent, abs=4 * np.sqrt(level / 200_000))


def test_the_p_value_is_the_level_whose_bound_was_met() -> None:
    bounds = Bounds.of(LOOKS)
    for level in (0.001, 0.01, 0.04):
        for look, nominal in enumerate(bounds.nominal(level)):
            assert nominal <= level, "no look is more lenient than a test that is made once"
            assert bounds.sequential_p([0.9] * look + [float(nominal)]) == pytest.approx(level, rel=0.03)
    assert bounds.sequential_p([]) == 1
    assert bounds.sequential_p([0.001]) > bounds.sequential_p([0.001, 1e-6]), "a later look may show more"


def test_conditional_power_is_what_the_trend_promises() -> None:
    assert conditional_power(0.05, 0.5, 0.05) == pytest.approx(
        special.ndtr((1.96 / np.sqrt(0.5) - 1.96) / np.sqrt(0.5)), abs=1e-3
    )
    assert conditional_power(0.9, 0.99, 0.05) < 1e-6
    assert (conditional_power(0.04, 1.0, 0.05), conditional_power(0.06, 1.0, 0.05)) == (1, 0)


# ---- in a spec -------------------------------------------------------------------------------------------------------


def test_the_looks_of_a_spec() -> None:
    assert Confirm().look_draws == ()
    assert Confirm(looks=False).look_draws == ()  # `off` in YAML
    assert Confirm(draws=24, looks="auto").look_draws == LOOKS
    assert Confirm(draws=10, looks="auto").look_draws == (), "too few to look at a part of them"
    assert Confirm(draws=20, looks=(6, 9, 13, 20)).look_draws == (6, 9, 13, 20)
    assert Confirm(draws=20, looks=(6, 9)).look_draws == (6, 9, 20)
    assert Confirm(draws=24, looks="auto", reseeded=4).least_replicates == 12
    with pytest.raises(ValueError, match="each larger than the one before"):
        Confirm(looks=(9, 6))
    with pytest.raises(ValueError, match="no look is after more draws than there are"):
        spec(confirm={"draws": 8, "looks": [6, 9]})


def test_a_plan_says_how_few_and_how_many_trainings_there_may_be() -> None:
    said = _confirmation(spec(confirm={"draws": 24, "looks": "auto", "reseeded": 4}), 3)
    assert said == (
        "each winner is confirmed on 8 to 24 fresh draws, 4 of them twice, and scored on the test part; a comparison "
        "that is decided after 8, 10, 13 or 18 ends there: 36 to 84 trainings"
    )


# ---- in a verdict ----------------------------------------------------------------------------------------------------


def in_looks(gain: float, **changes: Any) -> SweepResults:
    """Two losses, of which the second is better by `gain`, with all 24 draws on record."""
    return synthetic_results(
        datasets=("trec",),
        losses=("cross_entropy", "soft_triple"),
        gain={"soft_triple": gain},
        draws=24,
        quality_sd=0.0,
        confirm={"looks": "auto"},
        **changes,
    )


def judged(gain: float, **changes: Any) -> Verdict:
    return verdict(in_looks(gain, **changes))


def arm(found: Verdict) -> Arm:
    (one,) = [each for each in found.comparisons[0].arms if each.method == "soft_triple"]
    return one


@pytest.mark.lengthy
def test_a_clear_gain_is_decided_at_the_first_look() -> None:
    ours = arm(judged(0.1))
    assert ours.course is not None
    assert (ours.course.draws, ours.course.wanted, ours.course.ended) == (8, 8, Ended.DIFFERENT)
    assert ours.significant
    assert ours.difference is not None
    assert ours.difference.n == 8
    assert ours.difference.low > 0


@pytest.mark.lengthy
def test_without_a_gain_a_comparison_ends_as_futile() -> None:
    ours = arm(judged(0.0))
    assert ours.course is not None
    assert ours.course.ended is Ended.FUTILE
    assert not ours.significant
    said = judged(0.0).comparisons[0].sentence
    assert f"; it ended after {ours.course.draws} draws, since the others would hardly have shown a difference" in said


@pytest.mark.lengthy
def test_what_follows_the_end_of_a_comparison_does_not_count() -> None:
    """Draws that were trained for the other arms, or before there were looks."""
    results = in_looks(0.1)
    first = [each.evaluation.draw < FIRST + LOOKS[0] for each in results.confirmations[0].replicates]
    cut = tuple(
        replace(record, replicates=tuple(each for each, kept in zip(record.replicates, first, strict=True) if kept))
        for record in results.confirmations
    )
    whole, early = (arm(verdict(each)) for each in (results, replace(results, confirmations=cut)))
    assert len(cut[0].replicates) < len(results.confirmations[0].replicates)
    assert whole.difference == early.difference
    assert whole.course == early.course


@pytest.mark.lengthy
def test_before_the_first_look_nothing_is_shown() -> None:
    found = judged(0.1, missing={"soft_triple": 2})
    ours = arm(found)
    assert ours.course is not None
    assert (ours.course.draws, ours.course.wanted, ours.course.ended) == (0, 8, None)
    assert not ours.significant
    assert not any("unfinished" in said and "of 24" in said for said in found.warnings)


# ---- in a sweep ------------------------------------------------------------------------------------------------------

IN_LOOKS: dict[str, Any] = {
    "confirm": {"draws": 12, "looks": [5, 8], "reseeded": 0},
    "budget": {"trials_per_cell": 2},
    "pruning": {"rule": "none"},
}


def work(each: Dispatcher, assignment: Assignment, gain: float) -> None:
    """Report scores that depend on cell and draw alone."""
    cell = assignment.record.split("#")[0]
    if assignment.draws is None:
        for replicate in range(assignment.first, 2):
            for evaluation in (1, 2):
                if each.record(assignment.key, evaluated(replicate, evaluation, 0.5)):
                    return
        return
    noise = random.Random(f"{cell} {assignment.draws}").gauss(0, 0.05)
    score = 0.5 + gain * (cell == each.cells[-1].key) + noise
    metrics = {"test_accuracy": score}
    made = Evaluation(
        draw=assignment.draws[0], replicate=0, point=1, step=4, metrics=metrics, confusion=((3, 1), (0, 4))
    )
    each.record(assignment.key, made)


def drain(each: Dispatcher, gain: float) -> None:
    while (assignment := each.next()) is not None:
        work(each, assignment, gain)


def draws(each: Dispatcher) -> dict[str, list[int]]:
    return {
        record.cell: sorted(one.evaluation.draw - FIRST for one in record.replicates)
        for record in each.ledger.confirmations()
    }


@pytest.mark.lengthy
@pytest.mark.parametrize("gain", [0.0, 0.06, 0.5])
def test_arms_stop_at_a_look_and_the_baseline_with_the_last_of_them(tmp_path: Path, gain: float) -> None:
    each = dispatcher(tmp_path, slots=3, **IN_LOOKS)
    drain(each, gain)
    assert each.exhausted
    found = draws(each)
    counts = {cell: len(own) for cell, own in found.items()}
    assert all(own == list(range(counts[cell])) for cell, own in found.items()), "the same draws, from the first on"
    base = counts[each.cells[0].key]
    assert set(counts.values()) <= {5, 8, 12}
    assert base == max(counts.values())
    assert verdict(each.ledger.results()).comparisons[0].arms[-1].course is not None
    assert not any("confirmations are unfinished" in said for said in verdict(each.ledger.results()).warnings)


@pytest.mark.lengthy
def test_an_interrupted_sweep_decides_the_same(tmp_path: Path) -> None:
    whole = dispatcher(tmp_path / "whole", slots=3, **IN_LOOKS)
    drain(whole, 0.06)
    rng = random.Random(0)
    each = dispatcher(tmp_path / "killed", slots=3, **IN_LOOKS)
    while not each.exhausted:
        running = [assignment for _ in range(3) if (assignment := each.next()) is not None]
        rng.shuffle(running)
        for assignment in running[: rng.randint(0, 3)]:
            work(each, assignment, 0.06)
        if rng.random() < 0.3:
            each = dispatcher(tmp_path / "killed", slots=3, **IN_LOOKS)  # what ran is lost
        else:
            for assignment in list(running):
                if assignment.key in each.running:
                    work(each, assignment, 0.06)
    assert draws(each) == draws(whole)


def test_a_mean_gain_has_every_draw_that_was_judged_though_one_failed() -> None:
    """Of five draws the last was left out, since the first had failed: the interval reached 4.8 points, not 3.4."""
    looks: dict[str, Any] = {"looks": [6, 10]}
    losses = ("cross_entropy", "soft_triple")
    found = verdict(
        synthetic_results(
            datasets=("trec",), shots=(8, 64), losses=losses, draws=10, reseeded=0, confirm=looks,
            gain={"soft_triple": 0.1}, failed={"soft_triple": 1},
        )
    )  # fmt: skip
    for comparison in found.comparisons:
        arm, base = comparison.arm("soft_triple"), comparison.arm("cross_entropy")
        assert arm is not None
        assert base is not None
        assert arm.difference is not None
        assert len(_by_draw(comparison, arm, base)) == arm.difference.n
    assert {each.arms[1].difference.n for each in found.comparisons if each.arms[1].difference} == {5, 9}
    (gain,) = found.gains
    assert (gain.here_high - gain.here_low) / 2 == pytest.approx(0.0344, abs=1e-3)
