"""Trainings that collapse: their rate, and differences that allow for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from sweep.records.results import SweepResults
from sweep.verdict import Arm, Verdict, verdict
from sweep.verdict.collapse import Mixture, Rate, collapse_p, mixed_difference, rate_interval, unseen_cost
from sweep.verdict.collapse_wording import failing_to_train
from sweep.verdict.collapses import collapses
from sweep.verdict.crossed import Components, crossed_difference
from sweep.verdict.statistics import LEVEL, equivalence_p
from tests.sweeps.simulated_rows import collapsing_pair
from tests.sweeps.synthetic_results import synthetic_results
from trainable.outcomes import Outcome


def test_a_rate_has_jeffreys_interval() -> None:
    assert rate_interval(2, 20) == pytest.approx(tuple(stats.beta(2.5, 18.5).ppf([0.025, 0.975])))
    assert rate_interval(0, 10) == pytest.approx((0, stats.beta(0.5, 10.5).ppf(0.975)))
    assert rate_interval(10, 10) == pytest.approx((stats.beta(10.5, 0.5).ppf(0.025), 1))
    assert unseen_cost(60, 0.4) == pytest.approx(0.4 * stats.beta(0.5, 60.5).ppf(0.95))


def test_unequal_collapses_are_tested_on_the_draws_on_which_one_of_the_two_collapsed() -> None:
    never, thrice = [False] * 10, [True] * 3 + [False] * 7
    assert collapse_p(never, never) == 1
    assert collapse_p(thrice, thrice) == 1
    assert collapse_p(thrice, never) == pytest.approx(2 / 2**3)
    assert collapse_p([True] * 7, [False] * 7) == pytest.approx(2 / 2**7)


def components(mean: float) -> Components:
    return Components(draws=10, rows=100, mean=mean, draw_square=2.0, row_square=0.5, rest_square=0.2)


def test_without_any_rate_the_limits_are_those_of_the_trained_draws() -> None:
    found = components(0.1)
    mixture = Mixture(mean=0.1, trained=found, ours=None, theirs=None)
    reach = stats.t.isf(0.025, found.freedom) * np.sqrt(found.variance)
    assert mixture.limits(LEVEL) == pytest.approx((0.1 - reach, 0.1 + reach))
    assert mixture.p_value() == pytest.approx(2 * stats.t.sf(0.1 / np.sqrt(found.variance), found.freedom), rel=2e-3)
    within = max(stats.t.sf((0.3 - 0.1) / np.sqrt(found.variance), found.freedom), 0)
    assert mixture.equivalence_p(0.3) == pytest.approx(within, rel=2e-3)
    assert mixture.equivalence_p(0.05) == 1


def test_collapses_that_were_not_seen_make_only_the_lower_limit_of_the_arm_less_certain() -> None:
    plain = Mixture(mean=0.1, trained=components(0.1), ours=None, theirs=None)
    ours = Mixture(mean=0.1, trained=components(0.1), ours=Rate(collapsed=0, draws=10, cost=0.4), theirs=None)
    assert ours.limits(LEVEL)[1] == plain.limits(LEVEL)[1]
    more = 0.4 * rate_interval(0, 10)[1]
    assert 0.1 - ours.limits(LEVEL)[0] == pytest.approx(np.hypot(0.1 - plain.limits(LEVEL)[0], more))
    theirs = Mixture(mean=0.1, trained=components(0.1), ours=None, theirs=Rate(collapsed=0, draws=10, cost=0.4))
    assert theirs.limits(LEVEL)[0] == plain.limits(LEVEL)[0]
    assert theirs.limits(LEVEL)[1] > plain.limits(LEVEL)[1]


def test_the_p_value_is_the_level_at_which_the_limits_end_there() -> None:
    mixture = Mixture(mean=0.2, trained=components(0.25), ours=Rate(collapsed=1, draws=10, cost=0.5), theirs=None)
    for null in (0.0, 0.1, 0.35):
        level = mixture.p_value(null)
        assert 0 < level < 1
        assert min(abs(limit - null) for limit in mixture.limits(level)) < 1e-3
    nothing_known = Mixture(mean=0.2, trained=None, ours=Rate(collapsed=9, draws=10, cost=0.5), theirs=None)
    assert (nothing_known.limits(LEVEL), nothing_known.p_value()) == ((-1, 1), 1)


def test_a_difference_is_never_surer_for_what_it_allows_for() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        ours_NT, theirs_NT, collapsed_N = collapsing_pair(8, 60, 0.3, 0.4, rng, gain=0.15)
        plain = crossed_difference(ours_NT, theirs_NT)
        trained_NT = (ours_NT - theirs_NT)[~collapsed_N]
        rate = Rate(collapsed=int(collapsed_N.sum()), draws=8, cost=0.4)
        found = mixed_difference(
            plain, Mixture(mean=plain.mean, trained=Components.of(trained_NT), ours=rate, theirs=None)
        )
        assert found.low <= plain.low <= found.mean == plain.mean <= plain.high <= found.high
        assert found.p_value >= plain.p_value
        assert equivalence_p(found, 0.2) >= equivalence_p(plain, 0.2)


# ---- in a verdict ----------------------------------------------------------------------------------------------------


def results(gain: float = 0.1, **diverged: int) -> SweepResults:
    """Two losses, of which the second is ahead where it trains."""
    return synthetic_results(
        datasets=("trec",),
        losses=("cross_entropy", "soft_triple"),
        gain={"soft_triple": gain},
        quality_sd=0.0,
        noise_sd=0.01,
        diverged=diverged,
    )


def arm(found: Verdict, method: str) -> Arm:
    (one,) = [each for each in found.comparisons[0].arms if each.method == method]
    return one


def test_the_rate_of_collapses_is_a_result_of_its_own() -> None:
    found = verdict(results(soft_triple=2))
    ours, base = arm(found, "soft_triple"), arm(found, "cross_entropy")
    assert ours.collapses is not None
    assert (ours.collapses.draws, ours.collapses.collapsed, ours.collapses.rate) == (10, 2, 0.2)
    assert (ours.collapses.low, ours.collapses.high) == rate_interval(2, 10)
    assert ours.p_collapses == pytest.approx(2 / 2**2)
    assert base.p_collapses is None
    assert ours.trained_lead is not None
    assert ours.trained_lead.mean == pytest.approx(0.1, abs=0.02)
    assert ours.trained_lead.n == 8
    said = found.comparisons[0].sentence
    assert " soft_triple fails to train in 2 of 10 draws (20 %, 95 % interval " in said
    assert "; where both train, soft_triple is ahead of cross_entropy, +" in said


def test_a_method_that_trains_nothing_is_not_said_to_fail_at_it() -> None:
    found = verdict(results(soft_triple=2))
    ours, base = arm(found, "soft_triple"), arm(found, "cross_entropy")
    said = failing_to_train(replace(ours, method="word_counts", trains="head"), base)
    assert said.startswith(
        " word_counts is no better than always answering one class in 2 of 10 draws; in the other draws, "
    )


def test_a_baseline_that_collapses_is_said_to() -> None:
    found = verdict(results(cross_entropy=3))
    assert " cross_entropy fails to train in 3 of 10 draws (30 %" in found.comparisons[0].sentence


def test_where_nothing_collapsed_nothing_is_said_or_allowed_for() -> None:
    found = verdict(results())
    ours = arm(found, "soft_triple")
    assert ours.difference is not None
    assert (ours.difference.mixture, ours.trained_lead, ours.p_collapses) == (None, None, 1)
    assert "fails to train" not in found.comparisons[0].sentence


@pytest.mark.parametrize(("accuracy", "collapsed"), [(0.0, 0), (0.25, 1), (0.5, 1), (1.0, 0)])
def test_a_training_of_the_search_that_gets_nothing_right_has_not_answered_one_class(
    accuracy: float, collapsed: int
) -> None:
    """Of six validation rows of six classes, a third of all guesses have none right; one class has one of them."""
    trial = next(each for each in results().trials if each.outcome is Outcome.COMPLETED)
    scores = {"val_accuracy": accuracy, "val_weighted_f1": 2 * accuracy**2 / (1 + accuracy)}
    first = replace(trial.ends[0], metrics={**trial.ends[0].metrics, **scores})
    evaluations = tuple(
        replace(each, evaluation=first) if each.evaluation is trial.ends[0] else each for each in trial.evaluations
    )
    found = collapses([replace(trial, evaluations=evaluations)], [0.5], [False], 0.2)
    assert found is not None
    assert (found.searched, found.in_search, found.seen) == (3, collapsed, collapsed > 0)


def test_a_small_lead_that_rare_collapses_would_cost_is_cautioned_against() -> None:
    found = verdict(results(gain=0.04))
    assert arm(found, "soft_triple").significant
    (said,) = [each for each in found.warnings if "too rare to have been seen" in each]
    assert "trec/8/soft_triple (ahead by " in said
    assert "of these methods no training collapsed" in said, "those of others may have"


def test_the_lead_over_a_reference_allows_for_collapses_as_all_others_do() -> None:
    losses = ("soft_triple", "supcon", "cross_entropy")
    made = synthetic_results(
        datasets=("trec",), losses=losses, trials=1, gain={"supcon": 0.1}, diverged={"cross_entropy": 2}, seed=1,
        confirm={"baseline": "soft_triple"},
    )  # fmt: skip
    (comparison,) = verdict(made).comparisons
    assert comparison.best is not None
    assert comparison.best.method == "supcon"
    reference = comparison.references["cross_entropy"]
    assert reference.mixture is not None
    assert "differs from cross_entropy by +" in comparison.sentence
    assert "which is not tested" in comparison.sentence


# ---- simulated truth -------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("draws", [10, 20])
def test_equally_good_arms_of_which_one_collapses_are_rarely_told_apart(draws: int) -> None:
    """A tenth of all trainings collapse, and 24 trainings of the search have shown that."""
    rng, sweeps = np.random.default_rng(draws), 500
    told_apart = np.zeros(2)
    for _ in range(sweeps):
        ours_NT, theirs_NT, collapsed_N = collapsing_pair(draws, 200, 0.1, 0.4, rng)
        plain = crossed_difference(ours_NT, theirs_NT)
        rate = Rate(collapsed=int(collapsed_N.sum()), draws=draws, cost=0.4)
        trained = Components.of((ours_NT - theirs_NT)[~collapsed_N])
        found = mixed_difference(plain, Mixture(mean=plain.mean, trained=trained, ours=rate, theirs=None))
        told_apart += [each.p_value < LEVEL for each in (plain, found)]
    plain_share, share = told_apart / sweeps
    error = float(np.sqrt(LEVEL * (1 - LEVEL) / sweeps))
    print(f"{draws} draws: {share:.3f}, without allowing for it {plain_share:.3f}, standard error {error:.3f}")
    assert plain_share > LEVEL + 2 * error, "which this is about"
    assert share <= LEVEL + 2 * error
