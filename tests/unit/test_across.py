"""What another value of an axis brings each method: differences across comparisons."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sweep.report.style import marks
from sweep.report.verdict_sections import verdict_sections
from sweep.report.write import verdict_json
from sweep.verdict import Verdict, verdict
from tests.sweeps.synthetic_results import synthetic_results

ENCODERS = ["org/small", "org/large"]


def found(*losses: str, **compare: Any) -> Verdict:
    trial = {"encoder": None} if "encoder" in compare else {}
    return verdict(
        synthetic_results(datasets=("trec", "cr"), losses=losses, trials=2, draws=4, compare=compare, trial=trial)
    )


@pytest.mark.lengthy
def test_each_method_is_compared_with_itself_at_the_first_value() -> None:
    made = found("cross_entropy", "supcon", encoder=ENCODERS, embedding=["cls", "mean"])
    by_title = {each.title: each for each in made.comparisons}
    assert len(by_title) == 2 * 4
    assert len(made.axes) == 2 * 2 * (2 + 2), "datasets, methods; of each axis, both values of the other"
    one = made.axes[0]
    assert (one.method, one.value, one.base) == ("cross_entropy", "embedding=mean", "embedding=cls")
    assert one.comparison == "trec, 8 labels per class, encoder=org/small, embedding=mean"
    ours = by_title[one.comparison].arm("cross_entropy")
    theirs = by_title[one.comparison.replace("=mean", "=cls")].arm("cross_entropy")
    assert ours is not None
    assert theirs is not None
    assert one.difference.mean == pytest.approx(np.mean(np.array(ours.scores) - np.array(theirs.scores)))
    assert one.difference.n == 4


@pytest.mark.lengthy
def test_comparisons_of_unequally_many_draws_are_paired_on_those_of_both() -> None:
    """As where a sweep was resumed with a smaller `confirm.draws`, after the first value's winners had theirs."""
    trial = {"encoder": None}
    results = synthetic_results(
        datasets=("trec",), losses=("supcon", "triplet"), trials=1, draws=6, compare={"encoder": ENCODERS}, trial=trial
    )
    fewer = tuple(
        replace(each, replicates=each.replicates[:4]) if "large" in each.cell else each
        for each in results.confirmations
    )
    spec = {**results.sweep.spec, "confirm": {**results.sweep.spec["confirm"], "draws": 4}}
    made = verdict(replace(results, sweep=replace(results.sweep, spec=spec), confirmations=fewer))
    assert [each.difference.n for each in made.axes] == [4, 4]
    first, second = (each.arms[1].scores for each in made.comparisons)
    differences = [ours - theirs for ours, theirs in zip(second, first, strict=True) if ours is not None and theirs]
    assert made.axes[1].difference.mean == pytest.approx(np.mean(differences))


def test_a_method_that_ignores_an_axis_and_conditions_have_none() -> None:
    assert {each.method for each in found("cross_entropy", "supcon", beta=[0.3, 0.6]).axes} == {"supcon"}
    assert found("cross_entropy", "supcon", sampling=["per_class", "random"]).axes == ()
    assert found("cross_entropy", "supcon").axes == ()
    assert found("supcon", encoder=ENCODERS).axes == (), "which the verdict itself compares"


@pytest.mark.lengthy
def test_methods_that_read_different_axes_are_compared_on_their_own_alone() -> None:
    made = found("soft_triple", "supcon", proxy_lr=[0.01, 0.1], projection=[64, 128]).axes
    assert [(each.method, each.value) for each in made] == 2 * [
        ("supcon", "projection=128"),
        ("soft_triple", "proxy_lr=0.1"),
    ], "once each of a dataset"


@pytest.mark.lengthy
def test_the_report_has_them_in_a_section_of_their_own() -> None:
    made = found("supcon", "triplet", encoder=ENCODERS)
    known = marks(["supcon", "triplet"])
    (section,) = [each for each in verdict_sections(made, known, "accuracy") if each.anchor == "axes"]
    (table,) = section.tables
    assert [row[:3] for row in table.rows] == [
        (f"{name}, 8 labels per class, encoder=org/large", method, "encoder=org/small")
        for name in ("trec", "cr")
        for method in ("supcon", "triplet")
    ]
    assert "not tested" in section.text[0]
    assert {each["difference"]["p_value"] for each in json.loads(verdict_json(made))["axes"]} == {None}
