"""The mean gain over datasets, against the textbook. How often its intervals hold: `tests/benchmarks/estimates.py`."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sweep.verdict.mean_gain import DatasetGain, mean_gain


def gain(mean: float, variance: float = 1.0, comparisons: int = 1, freedom: float = 9.0) -> DatasetGain:
    return DatasetGain(comparisons=comparisons, mean=mean, variance=variance, freedom=freedom)


def test_one_dataset_speaks_for_itself_alone() -> None:
    found = mean_gain([gain(2.0, variance=0.25)])
    reach = stats.t.isf(0.025, 9) * 0.5
    assert found.here == found.others == pytest.approx((2 - reach, 2 + reach))


def test_for_other_datasets_the_interval_is_students_t_over_their_means() -> None:
    means = [1.0, 3.0, 2.5, 0.0]
    found = mean_gain([gain(mean) for mean in means])
    assert found.mean == pytest.approx(np.mean(means))
    assert found.others == pytest.approx(tuple(stats.ttest_1samp(means, 0).confidence_interval()))


def test_on_these_datasets_their_variances_add_up() -> None:
    found = mean_gain([gain(1.0, 4.0), gain(5.0, 4.0)])
    reach = stats.t.isf(0.025, 18) * np.sqrt(2)
    assert found.here == pytest.approx((3 - reach, 3 + reach))


def test_a_dataset_weighs_as_much_as_it_has_comparisons() -> None:
    """And an unequal number of them is no reason for a surer interval: three like one that is as far away."""
    found = mean_gain([gain(1.0, comparisons=3), gain(5.0)])
    assert found.mean == pytest.approx(2.0)
    equal = mean_gain([gain(1.0), gain(5.0)])
    assert found.others[1] - found.others[0] == pytest.approx(0.75 * (equal.others[1] - equal.others[0]))
