"""Uncertainty over draws and test rows together: against slow references, and against simulated truth."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from sweep.verdict.contributions import contributions
from sweep.verdict.crossed import Components, covariance, crossed_difference, crossed_summary, likely_best
from sweep.verdict.power import resolving
from sweep.verdict.repeated import least_variance
from sweep.verdict.statistics import LEVEL, equivalence_p, noninferiority_p, paired_difference
from tests.sweeps.rare_losses import rarely_worse
from tests.sweeps.simulated_rows import suited_pair
from trainable.evaluation.metrics import classification_metrics

Floats = NDArray[np.float64]
METRICS = ("accuracy", "macro_f1", "weighted_f1")

# ---- what a row contributes ------------------------------------------------------------------------------------------

ANSWERS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30)


@pytest.mark.parametrize("metric", METRICS)
@given(answers=ANSWERS)
def test_a_score_is_the_mean_of_what_its_rows_contribute(metric: str, answers: list[tuple[int, int]]) -> None:
    labels_T, predicted_T = np.array(answers).T
    found_T = contributions(metric, labels_T, predicted_T, 4)
    assert found_T.mean() == pytest.approx(classification_metrics(labels_T, predicted_T, 4)[metric])


@pytest.mark.parametrize("metric", METRICS)
def test_a_contribution_is_how_the_score_changes_if_the_row_weighs_more(metric: str) -> None:
    """Where classes have so many rows that in macro F1 the mean of all classes weighs next to nothing."""
    rng = np.random.default_rng(0)
    labels_T, predicted_T = rng.integers(3, size=400), rng.integers(3, size=400)
    found_T = contributions(metric, labels_T, predicted_T, 3)
    copies = 1000  # of every row, so that one more of a row is a small change
    for row in range(8):
        more = [np.append(np.repeat(each, copies), each[row]) for each in (labels_T, predicted_T)]
        score = classification_metrics(labels_T, predicted_T, 3)[metric]
        change = classification_metrics(more[0], more[1], 3)[metric] - score
        assert score + 400 * copies * change == pytest.approx(found_T[row], abs=2e-3)


def macro_f1_parts(right_NT: Floats, labels_T: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """What rows contribute to the macro F1 of classifiers that take a wrong row for any other class."""
    classes = int(labels_T.max()) + 1
    wrong_NT = (labels_T + rng.integers(1, classes, right_NT.shape)) % classes
    predicted_NT = np.where(right_NT > 0, labels_T, wrong_NT)
    return np.stack([contributions("macro_f1", labels_T, predicted_T, classes) for predicted_T in predicted_NT])


@pytest.mark.lengthy
@pytest.mark.parametrize(("classes", "of_each"), [(20, 1), (20, 2), (10, 10)])
def test_a_class_of_few_rows_is_as_uncertain_as_they_are(classes: int, of_each: int) -> None:
    """Of two equally good arms by macro F1, ten draws; and of a single arm."""
    labels_T, rng, sweeps, told = np.repeat(np.arange(classes), of_each), np.random.default_rng(11), 400, 0
    summaries = []
    for _ in range(sweeps):
        ours_NT, theirs_NT = (
            macro_f1_parts(right_NT, labels_T, rng) for right_NT in suited_pair(10, len(labels_T), rng)
        )
        told += crossed_difference(ours_NT, theirs_NT).p_value < LEVEL
        summaries.append(crossed_summary(ours_NT))
    truth = np.mean([each.mean for each in summaries])
    missed = sum(not each.low <= truth <= each.high for each in summaries)
    most = sweeps * LEVEL + 3 * np.sqrt(sweeps * LEVEL * (1 - LEVEL))
    assert max(told, missed) <= most  # with one row of each class, a third of all by the row's influence alone


@pytest.mark.parametrize("metric", METRICS)
def test_a_weight_counts_as_so_many_rows(metric: str) -> None:
    rng = np.random.default_rng(1)
    labels_T, predicted_T, copies_T = rng.integers(3, size=20), rng.integers(3, size=20), rng.integers(1, 5, size=20)
    found_T = contributions(metric, labels_T, predicted_T, 3, copies_T / copies_T.mean())
    repeated = contributions(metric, np.repeat(labels_T, copies_T), np.repeat(predicted_T, copies_T), 3)
    assert np.average(found_T, weights=copies_T) == pytest.approx(repeated.mean())
    if metric != "macro_f1":  # where a class of few rows is as uncertain as they are, however much each of them weighs
        np.testing.assert_allclose(np.repeat(found_T, copies_T), repeated)


# ---- the analysis of variance ----------------------------------------------------------------------------------------


def slow_squares(values_NT: Floats) -> tuple[float, float, float]:
    """The mean squares of draws, rows and the rest, place by place."""
    draws, rows = values_NT.shape
    mean = values_NT.mean()
    places = list(product(range(draws), range(rows)))
    by_draw, by_row = values_NT.mean(axis=1), values_NT.mean(axis=0)
    draw = sum((by_draw[i] - mean) ** 2 for i, _ in places) / (draws - 1)
    row = sum((by_row[j] - mean) ** 2 for _, j in places) / (rows - 1)
    rest = sum((values_NT[i, j] - by_draw[i] - by_row[j] + mean) ** 2 for i, j in places)
    return float(draw), float(row), float(rest) / ((draws - 1) * (rows - 1))


@pytest.mark.parametrize(("draws", "rows"), [(2, 2), (5, 7), (12, 40)])
def test_the_mean_squares_are_those_of_the_textbook(draws: int, rows: int) -> None:
    values_NT = np.random.default_rng(draws).normal(size=(draws, rows)) + np.arange(rows)
    found = Components.of(values_NT)
    squares = (found.draw_square, found.row_square, found.rest_square)
    assert squares == pytest.approx(slow_squares(values_NT))
    draw, row, rest = squares
    assert found.variance == pytest.approx(max(draw + row - rest, draw, row) / (draws * rows))


def test_without_an_effect_of_rows_the_test_is_that_over_draws() -> None:
    """Every row is changed alike by a draw, so that rows tell nothing more."""
    by_draw_N = np.random.default_rng(1).normal(0.02, 0.05, 12)
    values_NT = np.repeat(by_draw_N[:, None], 5000, axis=1)
    found = crossed_difference(values_NT, np.zeros_like(values_NT))
    assert found.p_value == pytest.approx(stats.ttest_1samp(by_draw_N, 0).pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(stats.ttest_1samp(by_draw_N, 0).confidence_interval()))
    assert found.sd == pytest.approx(paired_difference(by_draw_N, np.zeros(12)).sd)


def test_draws_that_test_the_same_part_of_the_rows_are_crossed_on_it() -> None:
    values_NT = np.random.default_rng(0).normal(0, 1, (4, 30))
    values_NT[:, 10:] = np.nan
    zeros_NT = np.zeros_like(values_NT)
    parts, whole = crossed_difference(values_NT, zeros_NT), crossed_difference(values_NT[:, :10], zeros_NT[:, :10])
    assert (parts.low, parts.high, parts.p_value) == pytest.approx((whole.low, whole.high, whole.p_value))
    assert crossed_summary(values_NT).low == pytest.approx(crossed_summary(values_NT[:, :10]).low)
    both_KNT = np.stack([values_NT, values_NT[::-1]])
    assert covariance(both_KNT) == pytest.approx(covariance(both_KNT[:, :, :10]))


def test_two_or_three_draws_are_not_surer_than_their_number() -> None:
    """The mean square of two is next to nothing now and then: a quarter of sweeps of 500 test rows, two draws and four
    tests claimed a difference between equally good methods."""
    rng, false = np.random.default_rng(0), 0
    for _ in range(200):
        by_draw_N1, by_row_T = rng.normal(0, 0.05, (2, 1)), rng.normal(0, 0.3, 500)
        found = Components.of(by_draw_N1 + by_row_T + rng.normal(0, 0.3, (2, 500)))
        false += 2 * stats.t.sf(abs(found.mean) / np.sqrt(found.variance), found.freedom) < LEVEL / 4
    assert false <= 5
    same_NT = np.tile(rng.normal(0, 1, 50), (2, 1))
    assert Components.of(same_NT).freedom == 49, "one classifier twice, as of a file of predictions"


def test_without_an_effect_of_draws_the_test_is_that_over_rows() -> None:
    by_row_T = np.random.default_rng(2).normal(0.02, 0.3, 80)
    values_NT = np.repeat(by_row_T[None], 10, axis=0)
    assert crossed_difference(values_NT, np.zeros_like(values_NT)).p_value == pytest.approx(
        stats.ttest_1samp(by_row_T, 0).pvalue
    )


def test_equal_arms_differ_by_nothing() -> None:
    values_NT = (np.random.default_rng(3).random((6, 30)) < 0.7).astype(float)
    found = crossed_difference(values_NT, values_NT)
    assert (found.mean, found.p_value) == (0, 1)
    assert found.low == -found.high < 0, "the next row may differ"
    assert likely_best([values_NT, values_NT]) == pytest.approx((0.5, 0.5), abs=0.02)


def test_an_interval_of_a_score_ends_at_0_and_1() -> None:
    values_NT = np.ones((3, 12))
    values_NT[0, 0] = 0
    assert crossed_summary(values_NT).high == 1
    assert crossed_summary(1 - values_NT).low == 0


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "weighted_f1"])
def test_the_mean_of_perfect_answers_is_1_and_inside_its_interval(metric: str) -> None:
    """A sum of 1 + 2e-16 lay above its interval, which ended at 1, and no figure is drawn of such."""
    rng = np.random.default_rng(0)
    for classes in (2, 3, 5, 6) * 20:
        labels_T = rng.integers(0, classes, rng.integers(5, 60))
        right_T = contributions(metric, labels_T, labels_T, classes)
        wrong_T = contributions(metric, labels_T, (labels_T + 1) % classes, classes)
        best, worst = (crossed_summary(np.stack([values_T] * 4)) for values_T in (right_T, wrong_T))
        assert best.mean == pytest.approx(1)
        assert best.low < best.mean <= best.high
        assert worst.mean == pytest.approx(0, abs=1e-12)
        assert worst.low <= worst.mean < worst.high


def test_the_best_of_two_is_as_likely_as_their_difference_says() -> None:
    rng = np.random.default_rng(4)
    rows_T = rng.random(200)
    first, second = ((rng.random((20, 200)) < rows_T * scale).astype(float) for scale in (1.0, 0.97))
    found = crossed_difference(first, second)
    assert found.components is not None
    likely = stats.norm.sf(-found.mean / np.sqrt(found.components.variance))
    assert likely_best([first, second])[0] == pytest.approx(likely, abs=0.02)


@pytest.mark.parametrize("differing", [1, 2])
def test_nearly_equal_arms_are_as_likely_the_best_as_their_test_says(differing: int) -> None:
    """Each of these rows went wrong in one draw of ten: draws and rows say less of the others than the test assumes."""
    ours, theirs = np.ones((10, 40)), np.ones((10, 40))
    for row in range(differing):
        theirs[row, row] = 0.0
    found = crossed_difference(ours, theirs)
    assert found.components is not None
    by_rows = np.sqrt(covariance(np.stack([theirs, ours]))[0, 0])
    error = np.sqrt(found.components.variance)
    assert error > 1.5 * by_rows
    first, second, bad = likely_best([ours, theirs, np.zeros((10, 40))])
    assert first == pytest.approx(stats.norm.cdf(found.mean / error), abs=0.02)
    assert (first + second, bad) == pytest.approx((1, 0), abs=1e-6)


def test_what_would_resolve_a_difference_does() -> None:
    """The variance falls with draws to what rows leave, and the other way round."""
    found = Components(draws=10, rows=200, mean=0.06, draw_square=0.9, row_square=0.5, rest_square=0.2)
    draws, rows = resolving(found)
    assert draws is not None
    assert rows is not None
    target = (0.06 / (stats.norm.isf(LEVEL / 2) + stats.norm.isf(0.2))) ** 2
    by_draw, by_row = 0.7 / 200, 0.3 / 10
    for n, t in ((draws, 200), (10, rows)):
        assert by_draw / n + by_row / t + 0.2 / (n * t) <= target * 1.0001
        fewer = (n - 1, t) if t == 200 else (n, t - 1)
        assert by_draw / fewer[0] + by_row / fewer[1] + 0.2 / (fewer[0] * fewer[1]) > target
    small = Components(draws=10, rows=15, mean=0.03, draw_square=0.2, row_square=3.0, rest_square=0.2)
    assert resolving(small)[0] is None, "fifteen rows cannot show three points, whatever the draws"
    assert resolving(small)[1] is not None
    assert resolving(Components(draws=3, rows=9, mean=0.0, draw_square=1, row_square=1, rest_square=1)) == (None, None)


def test_equivalence_is_two_one_sided_t_tests() -> None:
    by_draw_N = np.random.default_rng(5).normal(0.002, 0.01, 14)
    values_NT = np.repeat(by_draw_N[:, None], 5000, axis=1)
    crossed, paired = crossed_difference(values_NT, 0 * values_NT), paired_difference(by_draw_N, np.zeros(14))
    above = stats.ttest_1samp(by_draw_N, -0.01, alternative="greater").pvalue
    below = stats.ttest_1samp(by_draw_N, 0.01, alternative="less").pvalue
    assert equivalence_p(crossed, 0.01) == pytest.approx(max(above, below))
    assert equivalence_p(paired, 0.01) == pytest.approx(max(above, below))
    assert equivalence_p(crossed, 0.001) > 0.5, "it is not within a tenth of a point"
    assert equivalence_p(paired_difference([0.5], [0.5]), 0.01) == 1


@pytest.mark.parametrize(("draws", "rows"), [(2, 2), (20, 2), (2, 15)])
def test_few_rows_make_nothing_certain(draws: int, rows: int) -> None:
    """Whatever was seen: all rows right by both, or all by the one and none by the other."""
    right, wrong = np.ones((draws, rows)), np.zeros((draws, rows))
    same = crossed_difference(right, right)
    assert same.high - same.low > 0.1
    assert equivalence_p(same, 0.01) > 0.2
    assert crossed_summary(right).low < 0.95
    other = crossed_difference(right, wrong)
    assert (other.p_value < LEVEL) == (rows >= 15)
    assert other.low < 1 < other.high


def test_many_equal_rows_are_equivalent() -> None:
    right = (np.random.default_rng(6).random((10, 1000)) < 0.8).astype(float)
    assert equivalence_p(crossed_difference(right, right), 0.01) < LEVEL
    assert equivalence_p(crossed_difference(right, right), 0.0) >= 0.5
    assert equivalence_p(paired_difference([0.5] * 6, [0.5] * 6), 0.01) == 2 / 64


def test_one_disagreement_makes_nothing_certain() -> None:
    """One answer of 800 that differs tells no more of the next row than none does."""
    values_NT = np.zeros((20, 40))
    same = crossed_difference(values_NT, 0 * values_NT)
    values_NT[3, 7] = 1
    found = crossed_difference(values_NT, 0 * values_NT)
    assert found.high - found.low == pytest.approx(same.high - same.low)
    assert equivalence_p(found, 0.01) > 0.2
    assert found.components is not None
    assert found.components.freedom == 39
    assert found.components.draws_for(least_variance(40) / 2) == np.inf
    graded = crossed_difference(values_NT / 1000, 0 * values_NT, graded=True)
    assert graded.high - graded.low < 1e-5, "values that differ by degrees have shown by how much"


def test_where_rows_disagree_as_usual_the_least_variance_says_nothing() -> None:
    rng = np.random.default_rng(9)
    values_NT = (rng.random((10, 60)) < 0.7).astype(float) - (rng.random((10, 60)) < 0.7)
    found = Components.of(values_NT)
    assert found.alike == 0
    assert found.variance == Components.of(values_NT, graded=True).variance
    values_NT[:, :45] = 0
    assert Components.of(values_NT).alike == 0.75
    assert least_variance(60, 0.75) == least_variance(60) == 2 * least_variance(60, 0.25)


# ---- simulated truth -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [20, 40, 100])
def test_a_loss_on_one_row_of_a_hundred_is_not_taken_for_none(rows: int) -> None:
    """Most samples of 40 rows have no such row, and two answers in a thousand differ by chance."""
    tables = (rarely_worse(20, rows, np.random.default_rng(sweep)) for sweep in range(300))
    found = [noninferiority_p(crossed_difference(each, 0 * each), 0.01) < LEVEL for each in tables]
    assert sum(found) <= 0.05 * 300  # above 100 without a least variance


@pytest.mark.slow
def test_arms_that_differ_by_the_margin_are_rarely_called_equivalent() -> None:
    """Twenty draws, 1,000 rows; the one is better by exactly 2 points."""
    rng, sweeps = np.random.default_rng(8), 600
    called = 0
    for _ in range(sweeps):
        hard_T = rng.random(1000)
        ours, theirs = ((hard_T < level + rng.normal(0, 0.01, (20, 1))).astype(float) for level in (0.72, 0.70))
        called += equivalence_p(crossed_difference(ours, theirs), 0.02) < LEVEL
    error = float(np.sqrt(LEVEL * (1 - LEVEL) / sweeps))
    print(f"equivalence: {called / sweeps:.3f}, standard error {error:.3f}")
    assert called / sweeps <= LEVEL + 3 * error


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["alike", "heavy tails", "skewed", "unequal spread"])
def test_equally_good_arms_are_rarely_told_apart(kind: str) -> None:
    """Draws differ as they do in trainings that go wrong now and then, are skewed, or differ more in one of the two."""
    rng = np.random.default_rng(7)
    draws, rows, sweeps = 10, 200, 1500
    seen = 0
    for _ in range(sweeps):
        spread = {
            "alike": rng.normal(0, 0.05, draws),
            "heavy tails": 0.03 * rng.standard_t(3, draws),
            "skewed": 0.06 * (1 - rng.exponential(1, draws)),
            "unequal spread": rng.normal(0, 0.12, draws),
        }[kind]
        levels = (0.7 + rng.normal(0, 0.05, draws), 0.7 + spread)
        hard_T = rng.normal(0, 1, rows)
        ours, theirs = (
            (
                rng.normal(0, 1, (draws, rows)) + hard_T
                < np.sqrt(2) * stats.norm.ppf(np.clip(level, 0.001, 0.999))[:, None]
            ).astype(float)
            for level in levels
        )
        seen += crossed_difference(ours, theirs).p_value < LEVEL
    error = float(np.sqrt(LEVEL * (1 - LEVEL) / sweeps))
    print(f"{kind}: {seen / sweeps:.3f}, standard error {error:.3f}")
    assert seen / sweeps <= LEVEL + 3 * error
