"""What all comparisons say together, in a sentence."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from sweep.verdict import Verdict, overall, summary, verdict
from tests.sweeps.synthetic_results import synthetic_results

pytestmark = pytest.mark.lengthy


@cache
def two() -> Verdict:
    """Two comparisons of three losses."""
    found = verdict(synthetic_results(shots=(8, 64), losses=("cross_entropy", "soft_triple", "supcon"), draws=4))
    return replace(
        found, comparisons=found.comparisons[:2], gains=tuple(replace(each, comparisons=2) for each in found.gains)
    )


def said(*, comparisons: int = 2, datasets: int = 2, **means: float) -> str:
    found = two()
    gains: list[Any] = [
        replace(
            found.gains[0],
            method=method,
            comparisons=comparisons,
            datasets=datasets,
            mean=mean / 100,
            here_low=(mean - 1) / 100,
            here_high=(mean + 1) / 100,
            low=(mean - 9) / 100,
            high=(mean + 9) / 100,
            lowest=(mean - 3) / 100,
            highest=(mean + 4) / 100,
        )
        for method, mean in means.items()
    ]
    return overall(replace(found, gains=tuple(gains)))


def test_the_largest_mean_gain_is_told_with_both_intervals() -> None:
    assert said(soft_triple=2.9, supcon=1.2) == (
        "Over all 2 comparisons soft_triple gains 2.9 points over cross_entropy (95 % interval +1.9 to +3.9 on these 2 "
        "datasets, -6.1 to +11.9 on others like them), the largest of 2 mean gains, from -0.1 to +6.9 in a single one."
    )


def test_one_dataset_says_nothing_of_others() -> None:
    text = said(datasets=1, soft_triple=2.9)
    assert "(95 % interval +1.9 to +3.9), from -0.1 to +6.9 in a single one." in text
    assert "largest" not in text


def test_a_gain_that_may_be_chance_is_called_so() -> None:
    assert said(soft_triple=0.8).endswith("in a single one. That may be chance.")
    assert "chance" not in said(soft_triple=1.2)


@pytest.mark.parametrize("datasets", [("trec",), ("trec", "cr")])
def test_one_draw_has_no_interval_and_may_be_chance(datasets: tuple[str, ...]) -> None:
    """It said `95 % interval nan to nan`, and nothing of chance."""
    losses = ("cross_entropy", "soft_triple")
    text = overall(verdict(synthetic_results(datasets=datasets, shots=(8, 64), losses=losses, draws=1)))
    assert "nan" not in text
    assert text.endswith("in a single one. That may be chance.")
    if len(datasets) == 1:
        assert "over cross_entropy (one draw has no interval), from" in text
    else:
        assert "(one draw has no interval on these 2 datasets; 95 % interval " in text


def test_where_no_method_gains_the_next_is_named() -> None:
    assert said(datasets=1, soft_triple=-0.5, supcon=-4.0) == (
        "Over all 2 comparisons no method gains over cross_entropy: soft_triple, the next, -0.5 points (95 % interval "
        "-1.5 to +0.5)."
    )


def test_a_method_that_is_not_in_each_comparison_is_no_winner_of_all() -> None:
    assert said(comparisons=1, soft_triple=9.0) == ""
    assert overall(replace(two(), comparisons=two().comparisons[:1], gains=())) == ""


def test_a_summary_begins_with_it() -> None:
    assert summary(two()).startswith(f"- {overall(two())}\n- **{two().comparisons[0].title}:**")
