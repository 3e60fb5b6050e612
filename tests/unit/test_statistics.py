"""Statistics against definitions, tables and slow references. Coverage and error rates: `test_simulation`."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sweep.verdict.power import draws_needed, power
from sweep.verdict.statistics import (
    average_ranks,
    holm,
    mean_interval,
    paired_difference,
    probability_of_best,
    sign_flip_p,
    smallest_p,
    summarise,
)
from sweep.verdict.variance import configuration_variance, seed_variance


def normal(*shape: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=shape)


# ---- one arm, and two ------------------------------------------------------------------------------------------------


def test_a_summary_of_one_score_is_that_score() -> None:
    found = summarise([0.7])
    assert (found.n, found.mean) == (1, 0.7)
    assert np.isnan([found.sd, found.low, found.high]).all(), "which tells nothing of others"


def test_two_scores_span_their_interval() -> None:
    found = summarise([0.6, 0.8])
    assert found.mean == pytest.approx(0.7)
    assert found.sd == pytest.approx(0.1 * np.sqrt(2))
    assert (found.low, found.high) == (0.6, 0.8)


def test_equal_scores_have_no_spread() -> None:
    found = summarise([0.5] * 12)
    assert (found.sd, found.low, found.high) == (0.0, 0.5, 0.5)


@pytest.mark.parametrize("score", [1 / 3, 0.7, 0.1 * 3])
def test_the_mean_of_equal_scores_lies_inside_its_interval(score: float) -> None:
    """Of 14 scores of a third it lay 6e-17 above, and no figure is drawn of such."""
    for draws in (2, 7, 14, 15, 20, 31):
        found = summarise(np.full(draws, score))
        assert found.low <= found.mean <= found.high
        assert found.high - found.low == pytest.approx(0)


@pytest.mark.parametrize("draws", [10, 20, 100])
def test_the_interval_is_nearly_that_of_students_t(draws: int) -> None:
    """Of normal scores; the expansion is made for that. A plain percentile interval of 10 would be 18 % narrower."""
    from scipy import stats

    scores_xN = normal(50, draws)
    low_x, high_x = mean_interval(scores_xN, resamples=1999)
    wanted_x = 2 * stats.t.isf(0.025, draws - 1) * scores_xN.std(axis=1, ddof=1) / np.sqrt(draws)
    assert np.mean((high_x - low_x) / wanted_x) == pytest.approx(1, abs=0.04)


def test_many_rows_at_once_are_each_as_alone() -> None:
    scores_xN = normal(3, 8)
    low_x, high_x = mean_interval(scores_xN)
    for row, scores_N in enumerate(scores_xN):
        alone = summarise(scores_N)
        assert (low_x[row], high_x[row]) == pytest.approx((alone.low, alone.high), abs=0.1)
    assert sign_flip_p(scores_xN) == pytest.approx([float(sign_flip_p(scores_N)) for scores_N in scores_xN])


@pytest.mark.parametrize("draws", [2, 5, 8])
def test_the_test_goes_through_every_change_of_signs(draws: int) -> None:
    differences_N = normal(draws) + 0.5
    means = [np.mean(signs * differences_N) for signs in product([-1, 1], repeat=draws)]
    expected = np.mean(np.abs(means) >= abs(differences_N.mean()) - 1e-12)
    assert float(sign_flip_p(differences_N)) == pytest.approx(expected)


@pytest.mark.parametrize("draws", [1, 2, 6, 10, 14, 15, 20])
def test_where_every_draw_agrees_p_is_as_small_as_it_can_be(draws: int) -> None:
    differences_N = np.linspace(1, 2, draws)
    assert float(sign_flip_p(differences_N)) == pytest.approx(smallest_p(draws), abs=0 if draws <= 14 else 4e-4)


def test_arms_that_score_alike_do_not_differ() -> None:
    found = paired_difference([0.6, 0.7, 0.8], [0.6, 0.7, 0.8])
    assert (found.mean, found.sd, found.low, found.high, found.p_value) == (0, 0, 0, 0, 1)


def test_pairing_takes_the_draws_own_effect_away() -> None:
    common_N = normal(10)
    found = paired_difference(common_N + 0.1 + 0.01 * normal(10, seed=1), common_N)
    assert found.n == 10
    assert found.mean == pytest.approx(0.1, abs=0.01)
    assert found.low > 0.08
    assert found.p_value == pytest.approx(2 / 1024)


# ---- several arms ----------------------------------------------------------------------------------------------------


def test_holms_correction_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []


@pytest.mark.lengthy
@settings(max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_as_its_steps_do(p_values: list[float]) -> None:
    """The step-down procedure itself: continue while the smallest that is left is below the level over what is left."""
    left, rejected = sorted(range(len(p_values)), key=p_values.__getitem__), set[int]()
    while left and p_values[left[0]] * len(left) < 0.05:
        rejected.add(left.pop(0))
    assert {index for index, value in enumerate(holm(p_values)) if value < 0.05} == rejected


def test_the_correction_of_many_sweeps_at_once() -> None:
    p_values_xM = np.array([[0.01, 0.04, 0.03], [0.2, 0.001, 0.5]])
    assert np.array_equal(holm(p_values_xM), np.stack([holm(row_M) for row_M in p_values_xM]))


def test_the_probability_of_being_best() -> None:
    scores_N = normal(10)
    always = probability_of_best([scores_N, scores_N - 1, scores_N + 1])
    assert always == (0, 0, 1)
    shared = probability_of_best([scores_N, scores_N, scores_N - 1])
    assert shared == (0.5, 0.5, 0)
    open_KN = normal(3, 10)
    assert sum(probability_of_best(open_KN)) == pytest.approx(1)
    assert np.argmax(probability_of_best(open_KN)) == np.argmax(open_KN.mean(axis=1))


def test_ranks_and_the_critical_difference_of_demsar() -> None:
    """Demsar (2006), section 3.2.4: four classifiers on 14 datasets, critical difference 1.25."""
    scores_DK = normal(14, 4) + np.array([0, 3, 6, 9])
    found = average_ranks(scores_DK, ["a", "b", "c", "d"])
    assert found.critical_difference == pytest.approx(1.25, abs=0.005)
    assert sum(found.average) == pytest.approx(10)
    assert found.average == tuple(sorted(found.average, reverse=True))
    assert found.p_value < 1e-6


def test_ties_share_their_ranks() -> None:
    found = average_ranks([[0.5, 0.5, 0.4]] * 3, ["a", "b", "c"])
    assert found.average == (1.5, 1.5, 3.0)


def test_nothing_but_ties_is_no_evidence() -> None:
    assert average_ranks(np.full((3, 3), 0.5), ["a", "b", "c"]).p_value == 1
    assert average_ranks(np.full((3, 2), 0.5), ["a", "b"]).p_value == 1


def test_two_losses_are_ranked_by_wilcoxons_test() -> None:
    found = average_ranks([[0.1, 0.2], [0.1, 0.3], [0.1, 0.4], [0.1, 0.5]], ["a", "b"])
    assert found.average == (2.0, 1.0)
    assert found.p_value == pytest.approx(2 / 2**4)


# ---- planning --------------------------------------------------------------------------------------------------------


def test_power_of_a_textbook_case() -> None:
    """A difference of half a standard deviation needs 34 pairs for 80 %, at 5 % two-sided (Cohen's d 0.5)."""
    assert draws_needed(3, 6) == 34
    assert power(3, 6, 34) == pytest.approx(0.808, abs=0.001)


@pytest.mark.parametrize("draws", [2, 3, 20, 10_000])
@pytest.mark.parametrize("level", [0.05, 0.05 / 273])
def test_what_is_not_there_is_seen_as_often_as_the_level_says(draws: int, level: float) -> None:
    assert power(0, 6, draws, level) == pytest.approx(level)


@pytest.mark.parametrize("level", [0.05, 0.05 / 6, 0.05 / 273])
@pytest.mark.parametrize("difference", [0.009, -0.03, 0.1])
def test_the_draws_needed_are_the_fewest(difference: float, level: float) -> None:
    needed = draws_needed(difference, 0.04, level)
    assert needed is not None
    enough = [power(difference, 0.04, draws, level) >= 0.8 and smallest_p(draws) <= level for draws in range(2, 700)]
    assert enough.index(True) + 2 == needed
    assert all(enough[needed - 2 :])


def test_power_grows_with_the_draws_up_to_certainty() -> None:
    found = [power(-0.009, 0.0384, draws, 0.05 / 6) for draws in (1, 2, 10, 100, 2_000, 25_000, 100_000)]
    assert found == sorted(found)
    assert (found[0], found[-1]) == (0, 1)


def test_no_number_of_draws_shows_what_is_not_there() -> None:
    assert draws_needed(0, 0.06) is None
    assert draws_needed(0, 0) is None
    assert draws_needed(1e-5, 0.06) is None
    assert draws_needed(0.03, 0.06, level=1e-6) is None  # no test of 19,999 permutations gets so far


def test_a_difference_that_never_varies_still_needs_enough_signs_to_flip() -> None:
    assert draws_needed(0.1, 0) == 6
    assert smallest_p(6) < 0.05 < smallest_p(5)


# ---- variance components ---------------------------------------------------------------------------------------------


def test_the_variance_of_configurations_is_told_from_draws_and_noise() -> None:
    generator = np.random.default_rng(0)
    found = [
        configuration_variance(
            generator.normal(0, 2, (12, 1)) + generator.normal(0, 6, (1, 4)) + generator.normal(0, 3, (12, 4))
        )
        for _ in range(400)
    ]
    assert np.mean([each for each in found if each is not None]) == pytest.approx(4, abs=0.5)


def test_configurations_that_are_alike_have_no_variance() -> None:
    assert configuration_variance([[0.5, 0.7], [0.7, 0.5]]) == 0
    assert configuration_variance([[0.5, 0.7]]) is None
    assert configuration_variance([[0.5], [0.7]]) is None


def test_the_variance_of_the_seed_comes_from_pairs() -> None:
    assert seed_variance([0.5, 0.5], [0.7, 0.5]) == pytest.approx(0.01)
    assert seed_variance([], []) is None
