"""The table of a report in Markdown, LaTeX and CSV, and the verdict as JSON."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from sweep.records.results import SweepResults
from sweep.report.chart import csv_text
from sweep.report.rows import to_csv
from sweep.report.tables import ResultTable, result_table, to_latex, to_markdown
from sweep.report.wording import interval, metric_name, percent, probability
from sweep.report.write import verdict_json
from sweep.verdict import Verdict, verdict
from tests.sweeps.synthetic_results import synthetic_results

GOLDEN = Path(__file__).parent / "golden" / "report"


@pytest.fixture(scope="module")
def results() -> SweepResults:
    return synthetic_results(shots=(8, 64), losses=("cross_entropy", "soft_triple"), trials=4, draws=8)


@pytest.fixture(scope="module")
def found(results: SweepResults) -> Verdict:
    return verdict(results)


@pytest.fixture(scope="module")
def table(found: Verdict) -> ResultTable:
    return result_table(found, "accuracy")


def test_small_p_values_stay_what_they_are() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text([{"method": "a", "p": 1.23456789e-9, "score": 2 / 3}]))))
    assert rows == [{"method": "a", "p": "1.23457e-09", "score": "0.666667"}]


def check_golden(name: str, text: str) -> None:
    path = GOLDEN / name
    assert text == path.read_text(encoding="utf-8"), (
        f"{path} differs; if the new text is right, write it there:\n\n{text}"
    )


@pytest.mark.lengthy
def test_the_table_in_markdown(table: ResultTable) -> None:
    check_golden("table.md", to_markdown(table))


@pytest.mark.lengthy
def test_the_table_in_latex(table: ResultTable) -> None:
    check_golden("table.tex", to_latex(table))


def test_one_column_stands_for_each_comparison_and_datasets_stand_together(table: ResultTable) -> None:
    assert [column.dataset for column in table.columns] == ["trec", "trec", "cr", "cr"]
    assert all(len(entries) == 4 for entries in table.rows.values())
    assert next(iter(table.rows)) == "cross_entropy"


def test_exactly_one_entry_of_a_column_is_the_best(table: ResultTable) -> None:
    for column in zip(*table.rows.values(), strict=True):
        assert [entry.best for entry in column if entry].count(True) == 1


def test_what_is_bold_is_said_where_it_is_not_the_best_mean(found: Verdict, table: ResultTable) -> None:
    assert "bold: the best mean." in table.notes[0]
    lower = [min(each.arms, key=lambda arm: arm.summary.mean if arm.summary else 1) for each in found.comparisons]
    uneven = [replace(each, best=best) for each, best in zip(found.comparisons, lower, strict=True)]
    note = result_table(replace(found, comparisons=tuple(uneven)), "accuracy").notes[0]
    assert "bold: the best, by the draws that two methods share." in note


def test_differences_on_other_draws_than_the_means_are_said_to_be(found: Verdict, table: ResultTable) -> None:
    """After looks, arms end on draws of their own: 42.5 and 28.3 % stood beside a difference of -5.0 points."""
    comparison, *others = found.comparisons
    first, *arms = comparison.arms
    assert first.summary is not None
    fewer = replace(first, summary=replace(first.summary, n=first.summary.n - 1))
    uneven = replace(found, comparisons=(replace(comparison, arms=(fewer, *arms)), *others))
    (note,) = (note for note in result_table(uneven, "accuracy").notes if note.startswith("Signed"))
    assert note == "Signed: the paired difference to cross_entropy on the draws that both have, in points."
    assert note not in table.notes


def test_as_many_draws_that_are_not_the_same_ones_are_no_equal_draws() -> None:
    """One arm lacks a draw and the baseline another: both have seven, and the difference is over six."""
    made = synthetic_results(datasets=("trec",), losses=("cross_entropy", "soft_triple"), draws=8, reseeded=0)
    base, arm = (
        replace(each, replicates=tuple(kept for place, kept in enumerate(each.replicates) if place != lacking))
        for each, lacking in zip(made.confirmations, (3, 5), strict=True)
    )
    uneven = result_table(verdict(replace(made, confirmations=(base, arm))), "accuracy")
    assert "on the draws that both have" in " ".join(uneven.notes)
    assert "on the draws that both have" not in " ".join(result_table(verdict(made), "accuracy").notes)


def test_the_csv_holds_every_number_of_every_arm(found: Verdict) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(found))))
    assert len(rows) == 8
    arm, row = found.comparisons[0].arms[1], rows[1]
    assert arm.difference is not None
    assert float(row["difference"]) == pytest.approx(arm.difference.mean, abs=1e-6)
    assert row["method"] == "soft_triple"
    assert rows[0]["difference"] == ""


def test_without_confirmations_the_table_shows_marked_validation_scores() -> None:
    table = result_table(verdict(synthetic_results(draws=0, trials=2)), "accuracy")
    markdown = to_markdown(table)
    assert "‡ |" in markdown
    assert "not confirmed yet" in markdown
    assert "**" not in markdown


def test_a_loss_without_any_completed_trial_has_an_empty_entry() -> None:
    results = synthetic_results(datasets=("cr",), trials=2)
    left = tuple(trial for trial in results.trials if trial.config.method != "supcon")
    confirmed = tuple(each for each in results.confirmations if each.config.method != "supcon")
    results = SweepResults(sweep=results.sweep, trials=left, confirmations=confirmed)
    table = result_table(verdict(results), "accuracy")
    assert table.rows.get("supcon", (None,)) == (None,)


def test_latex_escapes_what_latex_reads_as_commands(table: ResultTable) -> None:
    text = to_latex(table)
    assert "soft\\_triple" in text
    assert "5 \\%" in text
    assert text.count("{") == text.count("}")


def test_the_verdict_as_json_names_trials_by_their_keys(found: Verdict) -> None:
    data = json.loads(verdict_json(found))
    arm = data["comparisons"][0]["arms"][1]
    winner = found.comparisons[0].arms[1].winner
    assert winner is not None
    assert arm["winner"]["trial"] == winner.key
    assert arm["confirmation"] == "trec/8/soft_triple#confirmation-0"
    assert len(arm["scores"]) == 8
    assert {"lost"} <= arm["cost"].keys() & arm["cost"]["spent"].keys(), "keys of a stored document never change"


def test_a_compared_metric_is_named_with_all_its_values() -> None:
    """Two columns of macro F1 stood under `Test accuracy in %`."""
    axes = {"dataset": ["trec"], "shots": [8], "loss": ["cross_entropy"], "metric": ["macro_f1", "accuracy"]}
    both = synthetic_results(datasets=("trec",), losses=("cross_entropy",), trials=1, draws=2)
    assert metric_name(both) == "accuracy"
    compared = {**both.sweep.spec, "compare": axes}
    assert metric_name(replace(both, sweep=replace(both.sweep, spec=compared))) == "macro F1 or accuracy"


def test_no_probability_is_certain_and_what_is_not_known_is_a_dash() -> None:
    shares = (None, 0.0, 0.0049, 0.005, 0.63, 0.9949, 0.9951, 1.0)
    assert [probability(each) for each in shares] == [
        "–", "< 1 %", "< 1 %", "< 1 %", "63 %", "99 %", "> 99 %", "> 99 %"
    ]  # fmt: skip
    assert percent(float("nan")) == interval(float("nan"), float("nan")) == "–"
