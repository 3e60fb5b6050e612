"""The largest of several differences. How often its interval holds: `tests/benchmarks/estimates.py`."""

from __future__ import annotations

import numpy as np
import pytest

from sweep.verdict.named_best import named_best

HALF = np.full((3, 3), 0.5) + 0.5 * np.eye(3)
MANY = 1e6  # degrees of freedom, so that Student's t is normal


def test_there_is_no_best_of_one_and_none_without_intervals() -> None:
    assert named_best([0.1], [0.05], np.eye(1), 9) is None
    assert named_best([0.1, 0.0], [0.0, 0.1], np.eye(2), 9) is None


def test_what_is_far_ahead_stays_what_it_is() -> None:
    found = named_best([0.3, 0.01, -0.02], [0.01, 0.01, 0.01], HALF, MANY)
    assert found is not None
    assert found.of == 3
    assert found.mean == pytest.approx(0.3, abs=1e-4)
    assert (found.low, found.high) == pytest.approx((0.28, 0.32), abs=2e-3)


def test_what_is_hardly_ahead_is_worth_less_than_it_looks() -> None:
    found = named_best([0.040, 0.035, 0.030], [0.01, 0.01, 0.01], HALF, MANY)
    assert found is not None
    assert 0.02 < found.mean < 0.037
    assert found.low < 0.02
    assert found.low < found.mean < found.high < 0.062


def test_equal_differences_that_move_together_were_not_chosen() -> None:
    """Two that are the same on every draw are one, of which nothing is taken off."""
    found = named_best([0.03, 0.01], [0.01, 0.01], np.ones((2, 2)), MANY)
    assert found is not None
    assert found.mean == pytest.approx(0.03, abs=1e-6)


def test_the_order_of_the_methods_does_not_matter() -> None:
    means, errors = [0.01, 0.04, 0.02], [0.02, 0.03, 0.01]
    first = named_best(means, errors, HALF, 9)
    second = named_best(means[::-1], errors[::-1], HALF, 9)
    assert first == second


def test_of_two_that_are_equal_one_is_as_good_as_the_other() -> None:
    """On few answers means are equal now and then: given that a normal one was the largest, it was never so by nothing,
    and the estimate and both limits lay far below what was seen."""
    found = named_best([0.125, 0.125], [0.15, 0.15], np.eye(2), 9, step=1 / 32)
    assert found is not None
    assert found.low < found.mean < 0.125 < found.high
    assert found.high - found.low > 0.3
    assert named_best([0.125, 0.125], [0.15, 0.15], np.eye(2), 9) is None, "of means whose step is not known"


@pytest.mark.lengthy
def test_on_few_answers_the_interval_holds_what_it_says() -> None:
    rng, held = np.random.default_rng(0), 0
    for _ in range(400):  # the gain of two over a baseline, of 32 answers, true gains of 0
        means_K = np.round(rng.normal(0, 0.1, 2) * 32) / 32
        found = named_best(list(means_K), [0.1, 0.1], np.eye(2), MANY, step=1 / 32)
        assert found is not None
        held += found.low <= 0 <= found.high
    assert 0.93 < held / 400 < 0.99
