"""What a rung decides and whether it predicts, on plain numbers."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.search.rungs import (
    LEAST_TAU,
    LEAST_TRIALS,
    default_rungs,
    falls_behind,
    is_predictive,
    later_quality,
    rung_tau,
)


@pytest.mark.parametrize(
    ("replicates", "evaluations", "rungs"),
    [
        (1, 1, ()),
        (1, 4, (2,)),
        (2, 2, (1, 2)),
        (4, 4, (2, 4, 8)),
        (8, 4, (2, 4, 8, 16)),
        (5, 1, (1, 2, 4)),
        (3, 5, (2, 5, 10)),
    ],
)
def test_default_rungs_stand_half_way_and_after_powers_of_two(
    replicates: int, evaluations: int, rungs: tuple[int, ...]
) -> None:
    assert default_rungs(replicates, evaluations) == rungs


def test_the_last_report_is_never_a_rung() -> None:
    for replicates in range(1, 20):
        for evaluations in range(1, 8):
            assert all(rung < replicates * evaluations for rung in default_rungs(replicates, evaluations))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.integers(2, 5))
def test_at_least_one_share_continues_and_no_better_score_stops(scores: list[int], factor: int) -> None:
    behind = [score for score in scores if falls_behind(score, scores, factor, factor)]
    ahead = [score for score in scores if score not in behind]
    assert len(ahead) >= len(scores) // factor
    assert not behind or max(behind) < min(ahead)


@pytest.mark.parametrize(
    ("rung", "later"),
    [
        (1, 0.6),  # inside replicate 0, whose own final score is left out
        (2, 0.6),
        (4, 0.6),  # after replicate 0
        (6, 0.6),  # inside replicate 1: the score there is still that of replicate 0
        (8, 0.7),  # after two of three
    ],
)
def test_later_quality_holds_no_draw_of_the_rung(rung: int, later: float) -> None:
    assert later_quality([0.1, 0.5, 0.7], rung, evaluations=4) == pytest.approx(later)


def test_the_only_replicate_is_judged_by_its_end() -> None:
    assert later_quality([0.8], 2, evaluations=4) == 0.8


def test_tau_counts_the_pairs_in_the_same_order() -> None:
    assert rung_tau(zip([1, 2, 3, 4, 5], [10, 20, 30, 40, 50], strict=True)) == pytest.approx(1.0)
    assert rung_tau(zip([1, 2, 3, 4, 5], [50, 40, 30, 20, 10], strict=True)) == pytest.approx(-1.0)
    assert rung_tau(zip([1, 2, 3, 4, 5], [20, 10, 30, 40, 50], strict=True)) == pytest.approx(0.8)  # 9 of 10 pairs
    # tau-b with one tie on the left: (9 - 0) / sqrt(9 * 10)
    assert rung_tau(zip([1, 1, 3, 4, 5], [10, 20, 30, 40, 50], strict=True)) == pytest.approx(9 / 90**0.5)


@pytest.mark.parametrize(
    "scores", [[0.5] * 8, [0.1, 0.2, 0.3, 0.4][: LEAST_TRIALS - 1], []], ids=["constant", "few", "none"]
)
def test_tau_is_unknown_where_there_is_no_order(scores: Sequence[float]) -> None:
    assert rung_tau([(score, 0.1 * place) for place, score in enumerate(scores)]) is None
    assert rung_tau([(0.1 * place, score) for place, score in enumerate(scores)]) is None


@pytest.mark.parametrize(
    ("taus", "predictive"),
    [
        ([], None),
        ([None, None], None),
        ([None, LEAST_TAU], True),
        ([0.9, LEAST_TAU - 0.01], False),
        ([0.9, None, -0.5], False),
    ],
)
def test_one_rung_that_does_not_predict_is_enough(taus: list[float | None], predictive: bool | None) -> None:
    assert is_predictive(taus) is predictive
