"""Slices of test rows and flips between arms: against counts by hand and a slow oracle."""

from __future__ import annotations

from itertools import pairwise
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.explain.distance import centre_distances, distance_slices, mean_distances
from sweep.explain.distance_section import change_by_distance
from sweep.explain.flips import flips, mcnemar_p, mostly_right
from sweep.explain.slices import Slice, accuracy, text_slices
from sweep.verdict.crossed import crossed_summary
from trainable.datasets.text_data import Rows

TEXTS = (
    "it was fine",
    "It  was FINE",
    "I did not like it",
    "I don ’t know",
    "notable knots",
    "it isnâ€™t here",
    "zero\u200bwidth",
    "family \U0001f468\u200d\U0001f469\u200d\U0001f467 caf\u00e9",
    "replaced \ufffd",
    "a longer text about nothing in particular, to be the longest of all of them",
)
ROWS = Rows(TEXTS, None, np.arange(10) % 2)


def names(rows: Rows, kind: str) -> dict[str, list[int]]:
    found = text_slices(rows, ("bad", "good"))
    return {each.name: np.flatnonzero(each.rows_T).tolist() for each in found if each.kind == kind}


def test_texts_are_cut_by_what_they_hold() -> None:
    assert names(ROWS, "all") == {"all test rows": list(range(10))}
    assert names(ROWS, "class") == {"bad": [0, 2, 4, 6, 8], "good": [1, 3, 5, 7, 9]}
    assert names(ROWS, "negation")["with a negation"] == [2, 3, 9]
    assert names(ROWS, "characters") == {"odd characters": [5, 6, 8]}
    assert names(ROWS, "duplicates") == {"texts that stand twice": [0, 1]}


def test_lengths_are_quarters_that_cover_every_row_once() -> None:
    found = names(ROWS, "length")
    assert len(found) == 4
    assert sorted(row for rows in found.values() for row in rows) == list(range(10))
    assert names(Rows(("same",) * 6, None, np.arange(6) % 2), "length") == {}, "one length is no slice"


def test_both_texts_of_a_pair_are_read() -> None:
    pairs = Rows(("a", "b", "c"), ("never", "x", "y\ufffd"), np.array([0, 1, 0]))
    assert names(pairs, "negation")["with a negation"] == [0]
    assert names(pairs, "characters") == {"odd characters": [2]}


def test_accuracy_counts_the_tested_rows_alone() -> None:
    rng = np.random.default_rng(0)
    right_NT = (rng.random((8, 40)) < 0.7).astype(float)
    rows_T = np.arange(40) < 20
    found, wanted = accuracy(right_NT, rows_T), crossed_summary(right_NT[:, :20])
    assert (found.rows, found.mean, found.low, found.high) == (20, wanted.mean, wanted.low, wanted.high)
    for draw in range(8):
        right_NT[draw, np.arange(40) % 4 != draw % 4] = np.nan
    found = accuracy(right_NT, np.arange(40) % 4 == 1)
    assert found.rows == 10
    assert found.mean == pytest.approx(np.nanmean(right_NT[[1, 5], 1::4]))
    assert found.low is not None
    right_NT[:, 3] = np.nan
    nothing = accuracy(right_NT, np.arange(40) == 3)
    assert (nothing.rows, nothing.mean, nothing.low) == (0, None, None)
    single = accuracy(right_NT, np.arange(40) == 1)
    assert (single.rows, single.low) == (1, None)
    assert single.mean == pytest.approx(np.nanmean(right_NT[:, 1]))


def slow_mcnemar(first: int, second: int) -> float:
    """The exact test by its definition: outcomes of a fair coin that are no more likely than what was seen."""
    count = first + second
    chances = [comb(count, number) / 2**count for number in range(count + 1)]
    return float(min(1.0, sum(chance for chance in chances if chance <= chances[first] * (1 + 1e-9))))


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_exact_test(first: int, second: int) -> None:
    assert mcnemar_p(first, second) == pytest.approx(slow_mcnemar(first, second), abs=1e-6)


def test_mcnemar_of_a_known_table() -> None:
    assert mcnemar_p(1, 9) == pytest.approx(2 * (1 + 10) / 1024, abs=1e-12)
    assert mcnemar_p(0, 0) == mcnemar_p(5, 5) == 1


def test_flips_are_counted_by_row_and_corrected_over_all_slices() -> None:
    rows = 60
    ours_NT, theirs_NT = np.ones((5, rows)), np.ones((5, rows))
    theirs_NT[:, :12] = 0  # a planted slice that only ours gets right
    theirs_NT[:2, 20:30] = 0  # two of five draws: mostly right all the same
    ours_NT[:3, 40] = 0
    ours_NT[:, 50], theirs_NT[:, 55] = np.nan, np.nan
    parts = [
        Slice(kind="all", name="all", rows_T=np.ones(rows, dtype=bool)),
        Slice(kind="class", name="first", rows_T=np.arange(rows) < 12),
        Slice(kind="class", name="rest", rows_T=np.arange(rows) >= 12),
        Slice(kind="class", name="untested", rows_T=np.arange(rows) == 50),
    ]
    found = flips(ours_NT, {"other": theirs_NT}, parts)
    counts = [(flip.part.name, flip.rows, flip.only_ours, flip.only_other) for flip in found]
    assert counts == [("all", 58, 12, 1), ("first", 12, 12, 0), ("rest", 46, 0, 1)]
    assert [flip.p_value for flip in found] == [slow_mcnemar(12, 1), slow_mcnemar(12, 0), 1.0]
    assert [flip.p_corrected for flip in found] == pytest.approx(
        [2 * slow_mcnemar(12, 1), 3 * slow_mcnemar(12, 0), 1.0]
    )
    assert flips(ours_NT, {}, parts) == ()


def test_a_tie_of_draws_is_not_right() -> None:
    right_NT = np.array([[1, 1, np.nan], [0, 1, np.nan]])
    assert mostly_right(right_NT)[:2].tolist() == [0, 1]
    assert np.isnan(mostly_right(right_NT)[2])


def test_distances_are_to_the_mean_of_the_other_rows_of_a_class() -> None:
    rng = np.random.default_rng(0)
    rows_ND = rng.normal(size=(30, 4)) + np.array([3.0, 0, 0, 0])
    unit_ND = rows_ND / np.linalg.norm(rows_ND, axis=1, keepdims=True)
    labels_N = np.arange(30) % 2
    labels_N[9] = 2
    found = centre_distances(unit_ND, labels_N)
    assert np.isnan(found[9]), "it is alone in its class"
    for row in (0, 1, 28):
        others = [other for other in range(30) if other != row and labels_N[other] == labels_N[row]]
        mean = unit_ND[others].mean(axis=0)
        assert found[row] == pytest.approx(1 - unit_ND[row] @ mean / np.linalg.norm(mean))


def test_parts_by_distance_have_equally_many_rows_from_near_to_far() -> None:
    distance_T = np.random.default_rng(0).random(105)
    distance_T[3] = np.nan
    parts = distance_slices(distance_T)
    assert [int(part.rows_T.sum()) for part in parts] == [11, 11, 11, 11, 10, 10, 10, 10, 10, 10]
    assert not any(part.rows_T[3] for part in parts)
    for near, far in pairwise(parts):
        assert distance_T[near.rows_T].max() <= distance_T[far.rows_T].min()
    assert len(distance_slices(distance_T[:40])) == 3
    assert distance_slices(distance_T[:19]) == ()


def test_the_distance_to_all_rows_knows_no_labels() -> None:
    unit_ND = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    mean_D = unit_ND.mean(axis=0)
    expected = [1 - float(row_D @ mean_D) / float(np.sqrt(mean_D @ mean_D)) for row_D in unit_ND]
    np.testing.assert_allclose(mean_distances(unit_ND), expected)
    np.testing.assert_allclose(mean_distances(np.array([[1.0, 0.0], [-1.0, 0.0]])), [1.0, 1.0])


def test_accuracy_changes_with_the_rank_of_the_distance() -> None:
    rng = np.random.default_rng(0)
    distance_T = rng.random(300) ** 3
    rank_T = np.argsort(np.argsort(distance_T)) / 299
    right_KT = (rng.random((12, 300)) < 0.9 - 0.4 * rank_T).astype(np.float64)
    found = change_by_distance(right_KT, distance_T)
    assert found is not None
    assert found[0] == pytest.approx(np.polyfit(rank_T, right_KT.mean(axis=0), 1)[0])
    assert found[1] < -0.4 < found[2] < 0
    some_T = np.where(np.arange(300) % 3 == 0, np.nan, distance_T)
    assert change_by_distance(right_KT, some_T) is not None, "rows without a distance are left out"
    assert change_by_distance(right_KT[:1], distance_T) is None, "one draw"


def test_the_interval_of_the_change_holds_the_truth() -> None:
    """Rows differ in how hard they are, whatever their distance, and draws in how good they are."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        hard_T, good_K = rng.normal(0, 1, 120), rng.normal(0, 0.5, (8, 1))
        right_KT = (rng.normal(0, 1, (8, 120)) + hard_T + good_K > 0).astype(np.float64)
        found = change_by_distance(right_KT, np.arange(120.0))
        assert found is not None
        held += found[1] <= 0 <= found[2]
    assert 0.92 < held / 200 <= 1
