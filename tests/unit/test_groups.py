"""Groups: which cells are compared with each other, and what their arms are called."""

from __future__ import annotations

from typing import Any

import pytest

from sweep.report.style import marks
from sweep.report.tables import result_table, to_latex, to_markdown
from sweep.report.verdict_sections import verdict_sections
from sweep.spec.groups import Group, groups
from sweep.spec.model import SweepSpec
from sweep.verdict import verdict
from tests.sweeps.synthetic_results import synthetic_results

ENCODERS = ["org/small", "org/large"]


def spec(compare: dict[str, Any], **blocks: Any) -> SweepSpec:
    trial = {} if "encoder" in compare else {"encoder": "tiny"}
    axes = {"dataset": ["support"], "shots": [4], **compare}
    return SweepSpec.model_validate({"name": "small", "compare": axes, "trial": trial, **blocks})


def grouped(**compare: Any) -> list[Group]:
    return list(groups(spec(compare)))


def test_methods_are_compared_at_each_value_of_the_other_axes() -> None:
    small, large = grouped(loss=["triplet", "supcon"], encoder=ENCODERS)
    assert small.names == large.names == ("triplet", "supcon")
    assert (small.others, large.others) == ("encoder=org/small", "encoder=org/large")


def test_of_one_method_the_values_of_the_other_axes_are_compared() -> None:
    four, eight = grouped(loss=["triplet"], shots=[4, 8], encoder=ENCODERS, lora_rank=[0, 8])
    assert four.names == eight.names
    assert four.names == tuple(f"encoder={name}, lora_rank={rank}" for name in ENCODERS for rank in (0, 8))
    assert four.others == eight.others == "triplet"
    assert next(cell.key for cell in four.cells) == "support/4/triplet/encoder=org/small/lora_rank=0"
    assert (four.config.shots, eight.config.shots) == (4, 8)


def test_what_changes_the_question_is_not_compared() -> None:
    found = grouped(
        loss=["triplet"],
        sampling=["per_class", "random"],
        metric=["accuracy", "macro_f1"],
        head=["checkpoint", "centroid"],
    )
    assert len(found) == 4
    assert {each.names for each in found} == {("head=checkpoint", "head=centroid")}
    assert found[0].others == "triplet, sampling=per_class, metric=accuracy"
    alone = grouped(loss=["triplet"], sampling=["per_class", "random"])
    assert [(each.names, each.others) for each in alone] == [
        (("triplet",), "sampling=per_class"),
        (("triplet",), "sampling=random"),
    ]


def test_values_of_an_axis_may_look_like_other_axes() -> None:
    prompts = ["none", "a/b=c, d: ", "x/seed=3"]
    (alone,) = grouped(loss=["triplet"], prompt=prompts)
    assert alone.names == tuple(f"prompt={each}" for each in prompts)
    found = grouped(loss=["triplet", "supcon"], prompt=prompts)
    assert [each.common for each in found] == [(f"prompt={each}",) for each in prompts]


def test_methods_that_read_different_axes_have_all_in_common() -> None:
    found = grouped(loss=["soft_triple", "supcon"], projection=[64, 128], proxy_lr=[0.01, 0.1])
    assert [each.others for each in found] == [
        f"projection={size}, proxy_lr={rate}" for size in (64, 128) for rate in (0.01, 0.1)
    ]


def test_a_recipe_without_a_loss_that_it_takes_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="the recipe metric_then_head needs a metric loss"):
        spec({"recipe": ["metric_then_head"], "loss": ["cross_entropy"]})


def test_a_method_that_ignores_an_axis_stands_alone() -> None:
    (alone,) = grouped(recipe=["frozen"], lora_rank=[0, 8])
    assert (alone.names, alone.others) == (("frozen",), "")


@pytest.mark.lengthy
def test_the_verdict_tells_encoders_apart_where_one_loss_is_compared() -> None:
    made = synthetic_results(
        datasets=("trec",),
        losses=("supcon",),
        trials=2,
        draws=8,
        compare={"encoder": ENCODERS},
        trial={"encoder": None},
    )
    found = verdict(made)
    (comparison,) = found.comparisons
    assert comparison.title == "trec, 8 labels per class, supcon"
    assert [arm.method for arm in comparison.arms] == [f"encoder={name}" for name in ENCODERS]
    assert comparison.baseline == "encoder=org/small"
    assert found.family == 1
    assert comparison.arms[1].difference is not None
    assert "encoder=org/large" in comparison.sentence
    assert "No encoder can be told from encoder=org/small" in comparison.sentence
    assert not any("method" in each for each in (comparison.sentence, *found.warnings))
    table = result_table(found, "accuracy")
    assert to_markdown(table).startswith("| encoder |")
    assert "\nencoder & " in to_latex(table)
    (numbers,) = verdict_sections(found, marks(list(table.rows)), "accuracy")[0].tables
    assert numbers.columns[:2] == ("comparison", "encoder")


@pytest.mark.lengthy
def test_the_verdict_knows_of_every_arm_how_it_was_validated() -> None:
    made = synthetic_results(
        datasets=("trec",),
        losses=("supcon",),
        trials=2,
        draws=4,
        compare={"validation": ["shots", 600], "replicates": [2, 3]},
        protocol={"replicates": None, "validation": None},
    )
    found = verdict(made)
    assert "over 2 or 3 draws of the search, scored on as many rows as a draw trains on or 600 rows" in found.selection
    (said,) = [each for each in found.warnings if each.startswith("selected with")]
    assert said.startswith("selected with 600 validation rows beside 48 training rows (trec, 8 labels per class);")


@pytest.mark.lengthy
def test_the_verdict_calls_values_of_other_axes_arms() -> None:
    made = synthetic_results(
        datasets=("trec",), losses=("supcon",), trials=2, draws=4, compare={"beta": [0.2, 0.4, 0.6]}
    )
    (comparison,) = verdict(made).comparisons
    assert {arm.kind for arm in comparison.arms} == {"arm"}
    assert not any("method" in each for each in (comparison.sentence, *verdict(made).warnings))


def test_the_baseline_may_be_any_of_those_that_are_compared() -> None:
    compare = {"loss": ["triplet"], "encoder": ENCODERS}
    chosen = spec(compare, confirm={"baseline": "encoder=org/large"})
    assert chosen.confirm.baseline == "encoder=org/large"
    with pytest.raises(ValueError, match="the baseline is one of the compared methods"):
        spec(compare, confirm={"baseline": "org/large"})
