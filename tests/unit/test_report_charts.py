"""The figures of a report: their data, their marks, and that they are drawn the same each time."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from matplotlib.collections import LineCollection

from sweep.records.results import SweepResults
from sweep.report import cell_charts, comparison_charts, rank_charts, search_charts
from sweep.report.chart import Chart
from sweep.report.cost_chart import quality_against_cost
from sweep.report.importance import importances
from sweep.report.parallel_chart import parallel
from sweep.report.rungs import cell_rungs
from sweep.report.style import Mark, marks
from sweep.verdict import Verdict, verdict
from sweep.verdict.statistics import average_ranks
from tests.sweeps.synthetic_results import synthetic_results
from trainable.losses import LOSSES

KNOWN = marks(list(LOSSES))


@pytest.fixture(scope="module")
def results() -> SweepResults:
    return synthetic_results(
        datasets=("cr",), shots=(8, 64), losses=("cross_entropy", "soft_triple"), trials=6, draws=8
    )


@pytest.fixture(scope="module")
def found(results: SweepResults) -> Verdict:
    return verdict(results)


def the(chart: Chart | None) -> Chart:
    assert chart is not None
    return chart


def test_every_loss_has_a_mark_of_its_own_and_cross_entropy_is_grey() -> None:
    assert len(set(KNOWN.values())) == len(LOSSES)
    assert KNOWN["cross_entropy"] not in marks(["soft_triple", "searched"]).values()
    assert marks(["supcon", "soft_triple"]) == marks(["soft_triple", "supcon"])


@pytest.mark.lengthy
def test_differences_are_in_points_and_leave_the_baseline_out(found: Verdict) -> None:
    rows = the(comparison_charts.differences(found, KNOWN, "accuracy")).rows
    arm = found.comparisons[0].arms[1]
    assert arm.difference is not None
    assert rows[0]["difference"] == pytest.approx(100 * arm.difference.mean)
    assert [row["method"] for row in rows] == ["soft_triple", "soft_triple"]


@pytest.mark.lengthy
@pytest.mark.parametrize("times", [1, 100])
def test_a_page_holds_the_marks_of_a_large_search_as_pixels(times: int, results: SweepResults, found: Verdict) -> None:
    """Of 10,000 trials they would be 5 megabytes of vectors, which a browser draws for seconds."""
    many = [replace(each, number=each.number + 6 * turn) for turn in range(times) for each in results.trials]
    larger = replace(results, trials=tuple(many))
    for chart in (search_charts.history(larger, found, KNOWN, "accuracy"), parallel(larger, KNOWN)):
        svg = the(chart).images().svg
        assert ("<image" in svg) == (times > 1), the(chart).name
        assert len(svg) < 1_000_000


def test_scores_by_shots_need_several_numbers_of_shots(found: Verdict) -> None:
    chart = the(comparison_charts.scores_by_shots(found, KNOWN, "accuracy"))
    assert {row["shots"] for row in chart.rows} == {8, 64}
    alone = replace(found, comparisons=found.comparisons[:1])
    assert comparison_charts.scores_by_shots(alone, KNOWN, "accuracy") is None


def test_each_arm_stands_at_what_it_cost_and_reached(found: Verdict) -> None:
    rows = the(quality_against_cost(found, KNOWN, "accuracy")).rows
    arms = [arm for comparison in found.comparisons for arm in comparison.arms]
    assert [row["seconds"] for row in rows] == [arm.cost.spent.total for arm in arms]
    assert [row["mean"] for row in rows] == [pytest.approx(100 * arm.summary.mean) for arm in arms if arm.summary]
    alone = replace(found.comparisons[0], arms=found.comparisons[0].arms[:1])
    assert quality_against_cost(replace(found, comparisons=(alone,)), KNOWN, "accuracy") is None
    base, other = found.comparisons[0].arms
    elsewhere = replace(other, cell="answers", method="gpt", trains="elsewhere")
    shown = replace(found.comparisons[0], arms=(base, other, elsewhere))
    chart = the(quality_against_cost(replace(found, comparisons=(shown,)), KNOWN, "accuracy"))
    assert [row["method"] for row in chart.rows] == [base.method, other.method], "its time and money are not known"


def test_the_history_follows_the_best_completed_trial(results: SweepResults, found: Verdict) -> None:
    rows = the(search_charts.history(results, found, KNOWN, "accuracy")).rows
    assert len(rows) == len(results.trials)
    own = rows[:6]
    completed = [row["score"] for row in own if row["outcome"] == "completed"]
    assert own[-1]["best"] == max(score for score in completed if isinstance(score, float))


@pytest.mark.lengthy
@pytest.mark.parametrize("name", ["history", "parallel"])
def test_a_search_of_any_length_is_drawn_with_the_same_number_of_artists(name: str) -> None:
    """matplotlib takes milliseconds for each, and a report has each figure twice."""

    def artists(trials: int) -> int:
        results = synthetic_results(datasets=("trec",), losses=("cross_entropy", "soft_triple"), trials=trials, draws=0)
        known = marks(["cross_entropy", "soft_triple"])
        every = {
            "history": lambda: search_charts.history(results, verdict(results), known, "accuracy"),
            "parallel": lambda: parallel(results, known),
        }
        chart = every[name]()
        assert chart is not None
        return sum(len(axes.get_children()) for axes in chart.draw(chart.rows).axes)

    assert artists(20) == artists(60)


def test_a_trial_that_lacks_a_field_has_a_whole_line_too(results: SweepResults) -> None:
    """As of a head that reads no other field: with gaps it would be seen nowhere."""
    poorer = [
        replace(each, params=dict(list(each.params.items())[: 1 + each.number % 2])) if each.params else each
        for each in results.trials
    ]
    chart = the(parallel(replace(results, trials=tuple(poorer)), KNOWN))
    bundles = [each for axes in chart.draw(chart.rows).axes for each in axes.collections]
    drawn = [line for each in bundles if isinstance(each, LineCollection) for line in each.get_segments()]
    assert len(drawn) == len({(row["cell"], row["trial"]) for row in chart.rows})
    assert {len(line) for line in drawn} == {2, 3}
    assert all(line[-1][0] == max(places for places, _ in line) for line in drawn)


def test_rungs_count_who_reached_them_and_who_continued(results: SweepResults, found: Verdict) -> None:
    cell = cell_rungs(results, found)[0]
    after_one_replicate = next(rung for rung in cell.rungs if rung.rung == 2)
    # Of six trials, three complete, one is pruned after its first replicate, two go wrong in their second.
    assert (after_one_replicate.reached, after_one_replicate.stopped, after_one_replicate.passed) == (6, 1, 3)


def test_importances_sum_to_one_and_say_from_how_many_trials(results: SweepResults) -> None:
    soft_triple = next(each for each in importances(results.trials) if each.method == "soft_triple")
    assert sum(soft_triple.shares.values()) == pytest.approx(1)
    assert soft_triple.trials == 12
    assert importances(results.trials[:3]) == ()


def test_the_confusion_matrix_counts_every_test_row(results: SweepResults, found: Verdict) -> None:
    rows = the(cell_charts.confusion(results, found)).rows
    per_matrix = sum(int(row["rows"] or 0) for row in rows if row["method"] == "cross_entropy")
    assert per_matrix % sum(results.sweep.data["cr"].test_counts) == 0
    assert {row["class"] for row in rows} == {"negative", "positive"}


def test_csv_and_json_hold_the_same_rows(found: Verdict) -> None:
    chart = the(comparison_charts.differences(found, KNOWN, "accuracy"))
    rows = json.loads(chart.json())["rows"]
    read = list(csv.DictReader(io.StringIO(chart.csv())))
    assert [float(row["difference"]) for row in read] == [row["difference"] for row in rows]
    assert len(rows) == len(chart.rows)


@pytest.mark.lengthy
def test_a_figure_is_drawn_the_same_each_time_and_follows_the_theme_of_its_page(found: Verdict) -> None:
    chart = the(comparison_charts.gains(found, KNOWN, "accuracy"))
    first, second = chart.images(), chart.images()
    assert first == second
    assert first.png.startswith(b"\x89PNG")
    assert "var(--ink)" in first.svg
    assert "http" not in first.svg
    ids = re.findall(r'\bid="([^"]*)"', first.svg)
    assert ids
    assert all(each.startswith("gains-") for each in ids)


def test_names_of_classes_are_neither_formulas_nor_markup(results: SweepResults, found: Verdict) -> None:
    names = ("$x_{$", "--><script>alert(1)</script>")
    data = {"cr": replace(results.sweep.data["cr"], class_names=names)}
    odd = replace(results, sweep=replace(results.sweep, data=data))
    only = replace(found, comparisons=found.comparisons[:1])
    svg = the(cell_charts.confusion(odd, only)).images().svg
    assert "script" not in svg
    assert "<!--" not in svg


def test_letters_that_the_font_lacks_are_no_reason_to_stop(found: Verdict) -> None:
    named = replace(found.comparisons[0], others="encoder=好")
    chart = comparison_charts.differences(replace(found, comparisons=(named,)), KNOWN, "accuracy")
    assert the(chart).images().png


def test_ranks_name_the_test_that_was_made_and_no_p_value_of_0(found: Verdict) -> None:
    """Two methods are compared by Wilcoxon's test, which was called Friedman's."""
    orders = [[0.9 - 0.1 * place for place in range(methods)] for methods in (2, 4)]
    two, four = (average_ranks([each] * 12, list(LOSSES)[: len(each)]) for each in orders)
    captions = [chart.caption for chart in rank_charts.ranks(replace(found, ranks={8: two, 64: four}), KNOWN)]
    assert two.p_value == pytest.approx(2 / 2**12)
    assert captions[0].endswith("Wilcoxon's signed-rank test: p < 0.001.")
    assert captions[1].endswith("Friedman's test of any difference at all: p < 0.001.")
    (chart,) = rank_charts.ranks(replace(found, ranks={8: replace(two, p_value=0.25)}), KNOWN)
    assert chart.caption.endswith("p = 0.250.")


def test_ranks_over_both_ways_to_sample_are_called_so(found: Verdict) -> None:
    ranks = average_ranks([[0.9, 0.8]] * 3, ("cross_entropy", "soft_triple"))
    both = (found.comparisons[0], replace(found.comparisons[0], sampling="random"))
    (chart,) = rank_charts.ranks(replace(found, comparisons=both, ranks={8: ranks}), KNOWN)
    assert chart.title == "Average ranks over 3 datasets, 8 labels per class or 8 labels in all"


def test_rules_of_inference_are_said_to_leave_out_what_diverged(found: Verdict) -> None:
    assert "diverged" not in the(comparison_charts.inference(found, KNOWN)).caption
    (arm, *arms), *others = found.comparisons[0].arms, *found.comparisons[1:]
    changed = replace(found.comparisons[0], arms=(replace(arm, failures=replace(arm.failures, diverged=1)), *arms))
    chart = the(comparison_charts.inference(replace(found, comparisons=(changed, *others)), KNOWN))
    assert chart.caption.endswith(" Draws on which a training diverged have none, and are left out.")


def test_the_confusion_matrix_is_said_to_leave_out_what_diverged() -> None:
    losses = ("cross_entropy", "soft_triple")
    captions = []
    for count in (0, 1):
        made = synthetic_results(
            datasets=("trec",), losses=losses, draws=4, trials=1, diverged={"cross_entropy": count}
        )
        captions.append(the(cell_charts.confusion(made, verdict(made))).caption)
    assert "over all confirmation draws: the best arm" in captions[0]
    assert "over all confirmation draws but those that diverged: the best arm" in captions[1]


def test_nothing_to_show_is_no_figure(results: SweepResults, found: Verdict) -> None:
    bare = replace(found, comparisons=(), gains=(), ranks={})
    nothing = replace(results, trials=(), confirmations=())
    assert comparison_charts.differences(bare, KNOWN, "accuracy") is None
    assert comparison_charts.gains(bare, KNOWN, "accuracy") is None
    assert rank_charts.ranks(bare, KNOWN) == ()
    assert comparison_charts.inference(bare, KNOWN) is None
    assert search_charts.history(nothing, bare, KNOWN, "accuracy") is None
    assert search_charts.survival((), KNOWN) is None
    assert search_charts.importance(nothing, KNOWN) is None
    assert parallel(nothing, KNOWN) is None
    assert cell_charts.outcomes(bare) is None
    assert cell_charts.confusion(nothing, bare) is None


def test_marks_repeat_no_colour_with_the_same_marker() -> None:
    assert Mark("#0072b2", "o") == KNOWN["soft_triple"]
    assert len({mark.color for mark in KNOWN.values()}) == 7
