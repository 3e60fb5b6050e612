"""The correction over all tests of a sweep, against Holm's, Sidak's and Dunnett's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from sweep.verdict.family import Block, step_down
from sweep.verdict.statistics import holm


def equally(count: int, value: float) -> NDArray[np.float64]:
    return np.full((count, count), value) + (1 - value) * np.eye(count)


def test_one_test_is_not_corrected() -> None:
    assert step_down([Block([0.03], np.eye(1))])[0] == pytest.approx([0.03])


def test_independent_tests_are_corrected_step_by_step() -> None:
    """Sidak's correction of the smallest of three, then of the next of two."""
    found = step_down([Block([0.01], np.eye(1)), Block([0.02], np.eye(1)), Block([0.5], np.eye(1))])
    assert [each[0] for each in found] == pytest.approx([1 - 0.99**3, 1 - 0.98**2, 0.5])


def test_the_same_test_twice_is_one_test() -> None:
    assert step_down([Block([0.02, 0.02], equally(2, 1.0))])[0] == pytest.approx([0.02, 0.02])


@pytest.mark.lengthy
@pytest.mark.parametrize("arms", [2, 3, 13])
def test_against_one_control_it_is_dunnetts_test(arms: int) -> None:
    """Many draws, so that Student's t is normal: the critical value at 5 %, by scipy's Dunnett."""
    rng = np.random.default_rng(arms)
    samples = [rng.normal(0.03 * number, 1, 4000) for number in range(arms + 1)]
    expected = stats.dunnett(*samples[1:], control=samples[0], rng=np.random.default_rng(0))
    plain = [float(stats.ttest_ind(each, samples[0]).pvalue) for each in samples[1:]]
    found = step_down([Block(plain, equally(arms, 0.5))])[0]
    surest = int(np.argmin(plain))
    assert found[surest] == pytest.approx(expected.pvalue[surest], rel=0.08, abs=2e-3)


P_VALUES = st.lists(st.floats(1e-6, 1), min_size=1, max_size=6)


@settings(max_examples=30, deadline=None)
@given(first=P_VALUES, second=P_VALUES, value=st.floats(0, 1))
def test_no_p_value_is_larger_than_holms_or_smaller_than_its_own(
    first: list[float], second: list[float], value: float
) -> None:
    blocks = [Block(each, equally(len(each), value)) for each in (first, second)]
    found = [p_value for own in step_down(blocks) for p_value in own]
    assert (np.array(found) <= holm([*first, *second]) + 1e-9).all()
    assert (np.array(found) >= np.array([*first, *second]) - 1e-9).all()
    order = np.argsort([*first, *second], kind="stable")
    assert (np.diff(np.array(found)[order]) >= -1e-9).all(), "a surer test is never less sure after the correction"
