"""The page of a report: what it says first, that all of it is escaped, and that it asks for nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from sweep.records.results import SweepResults
from sweep.records.trial import DiscardedWork
from sweep.report.layout import render_document
from sweep.report.page import render_page
from sweep.report.search_sections import search_sections
from sweep.report.section import Case, Section, Table
from sweep.report.style import marks
from sweep.report.tables import result_table
from sweep.report.verdict_sections import verdict_sections
from sweep.verdict import Verdict, verdict
from tests.sweeps.synthetic_results import synthetic_results

ATTACK = "<script>alert(1)</script>"
MARKS = marks(["cross_entropy", "soft_triple"])


@pytest.fixture(scope="module")
def results() -> SweepResults:
    return synthetic_results(datasets=("cr",), losses=("cross_entropy", "soft_triple"), trials=2, draws=6)


@pytest.fixture(scope="module")
def found(results: SweepResults) -> Verdict:
    return verdict(results)


def page(results: SweepResults, found: Verdict, *sections: Section) -> str:
    without_charts = tuple(replace(section, charts=()) for section in sections)
    return render_page(results, found, result_table(found, "accuracy"), without_charts, {}, {})


class Outside(HTMLParser):
    """Collects the addresses that a browser would open for a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")]


def test_the_first_screen_says_what_won_and_how_winners_were_chosen(results: SweepResults, found: Verdict) -> None:
    text = page(results, found)
    sentence = text.index(found.comparisons[0].title)
    assert sentence < text.index('class="results') < text.index(found.selection[:30])
    assert "cross_entropy" in text


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("corrected", "label"),
    [
        ({"soft_triple": (0.04, 0.01), "supcon": (0.05, 0.3)}, "difference holds"),  # the highest mean may be chance
        ({"soft_triple": (-0.01, 0.4), "supcon": (-0.05, 0.01)}, "not told apart"),
        ({"soft_triple": (-0.04, 0.01), "supcon": (-0.05, 0.01)}, "the baseline leads"),
    ],
)
def test_the_label_of_a_comparison_says_what_its_sentence_says(
    corrected: dict[str, tuple[float, float]], label: str
) -> None:
    results = synthetic_results(datasets=("cr",), losses=("cross_entropy", *corrected), trials=2, draws=4)
    found = verdict(results)
    (comparison,) = found.comparisons
    base, *others = comparison.arms
    arms = []
    for arm in others:
        assert arm.difference is not None
        mean, p_value = corrected[arm.method]
        arms.append(replace(arm, difference=replace(arm.difference, mean=mean), p_corrected=p_value))
    best = max(arms, key=lambda arm: corrected[arm.method][0])
    best = best if corrected[best.method][0] > 0 else base
    changed = replace(found, comparisons=(replace(comparison, arms=(base, *arms), best=best),))
    assert f'<span class="label">{label}</span>' in page(results, changed)


def test_a_comparison_of_which_one_method_is_confirmed_is_not_called_undecided() -> None:
    results = synthetic_results(datasets=("cr",), losses=("cross_entropy", "supcon"), trials=2, draws=4)
    found = verdict(results)
    (comparison,) = found.comparisons
    base, other = comparison.arms
    alone = replace(comparison, arms=(base, replace(other, summary=None, difference=None)), best=base)
    assert '<span class="label">not compared yet</span>' in page(results, replace(found, comparisons=(alone,)))


def test_everything_is_escaped(results: SweepResults, found: Verdict) -> None:
    odd = replace(
        found,
        comparisons=tuple(replace(each, sentence=ATTACK, dataset=ATTACK, others=ATTACK) for each in found.comparisons),
        warnings=(ATTACK, f"`{ATTACK}`"),
        selection=ATTACK,
    )
    sweep = replace(results.sweep, name=ATTACK, provenance={ATTACK: ATTACK})
    section = Section(
        anchor='"><b>', title=ATTACK, text=(ATTACK,), points=(ATTACK,), listing=ATTACK,
        cases=(Case(text=ATTACK, facts=((ATTACK, ATTACK),)),),
        tables=(Table(title=ATTACK, columns=(ATTACK,), rows=((ATTACK,),), folded=True),),
    )  # fmt: skip
    text = page(replace(results, sweep=sweep), odd, section)
    assert "<script" not in text
    assert '"><b>' not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 15


def test_the_kinds_of_devices_stand_below_the_versions(results: SweepResults, found: Verdict) -> None:
    first, last = results.trials[0], results.confirmations[0]
    on_cpu = (replace(each, evaluation=replace(each.evaluation, trained_on="cpu (fp32)")) for each in first.evaluations)
    on_gpu = [replace(each, evaluation=replace(each.evaluation, trained_on="L4 (bf16)")) for each in last.replicates]
    known = SweepResults(
        sweep=results.sweep,
        trials=(replace(first, evaluations=tuple(on_cpu)), *results.trials[1:]),
        confirmations=(replace(last, replicates=tuple(on_gpu)), *results.confirmations[1:]),
    )
    making = search_sections(known, found, MARKS, "accuracy")[-1]
    rows = [row for table in making.tables for row in table.rows if row[0] == "trained on"]
    assert rows == [("trained on", f"L4 (bf16): {len(on_gpu)} trainings"), ("trained on", "cpu (fp32): 3 trainings")]


def test_the_versions_that_trained_stand_there_too(results: SweepResults, found: Verdict) -> None:
    first = results.trials[0]
    old = (replace(each, evaluation=replace(each.evaluation, trained_with="torch 2.12")) for each in first.evaluations)
    known = replace(results, trials=(replace(first, evaluations=tuple(old)), *results.trials[1:]))
    making = search_sections(known, found, MARKS, "accuracy")[-1]
    assert ("trained with", "torch 2.12: 3 trainings") in [row for table in making.tables for row in table.rows]


def test_the_versions_of_a_training_that_was_made_again_stand_there_too(results: SweepResults, found: Verdict) -> None:
    """Its first point was not trained once more, and others may have been pruned by it."""
    first = results.trials[0]
    assert [each.evaluation.replicate for each in first.evaluations][:2] == [0, 0]
    names = ["torch 2.12", *["torch 2.13"] * (len(first.evaluations) - 1)]
    made = (
        replace(each, evaluation=replace(each.evaluation, trained_with=name))
        for each, name in zip(first.evaluations, names, strict=True)
    )
    known = replace(results, trials=(replace(first, evaluations=tuple(made)), *results.trials[1:]))
    making = search_sections(known, found, MARKS, "accuracy")[-1]
    rows = [row for table in making.tables for row in table.rows if row[0] == "trained with"]
    assert rows == [
        ("trained with", "torch 2.13: 3 trainings"),
        ("trained with", "torch 2.12: the first points of 1 that was made again elsewhere"),
    ]


@pytest.mark.parametrize(
    ("field", "words"), [({"new_layers": 2}, "its last 2 layers new"), ({"lora_rank": 8}, "updates of low rank")]
)
def test_what_trials_started_from_stands_there_too(
    field: dict[str, int], words: str, results: SweepResults, found: Verdict
) -> None:
    first = results.trials[0]
    config = first.config.model_copy(update={"encoder": "/home/me/bert", "head": "centroid", **field})
    known = replace(results, trials=(replace(first, config=config), *results.trials[1:]))
    making = search_sections(known, found, MARKS, "accuracy")[-1]
    (started,) = [table for table in making.tables if table.title == "What trials and confirmations started from"]
    assert started.rows[-1] == (
        "fine_tune",
        f"…/bert, {words}",
        "new, at the centroids of the classes",
        "1",
    )
    assert sum(int(row[-1]) for row in started.rows) == len(results.trials) + sum(
        len(record.replicates) for record in results.confirmations
    )


def test_the_page_opens_nothing_and_allows_nothing(results: SweepResults, found: Verdict) -> None:
    sections = (
        *verdict_sections(found, MARKS, "accuracy")[:1],
        *search_sections(results, found, MARKS, "accuracy")[-1:],
    )
    text = page(results, found, *sections)
    outside = Outside()
    outside.feed(text)
    assert all(address.startswith("#") for address in outside.addresses)
    assert not outside.tags & {"script", "link", "iframe", "object", "embed", "img"}
    assert "default-src 'none'" in text
    assert not re.search(r"url\((?!#)|@import", text)


def test_words_between_backticks_are_code(results: SweepResults, found: Verdict) -> None:
    text = page(results, replace(found, warnings=("set `confirm.draws`",)))
    assert "set <code>confirm.draws</code>" in text


@pytest.mark.slow
def test_a_gain_here_is_named_by_its_own_baseline_beside_the_published_ones() -> None:
    """Which are over cross-entropy, whatever the baseline here is."""
    found = verdict(synthetic_results(trials=2, draws=4, confirm={"baseline": "proxy_anchor"}))
    papers = verdict_sections(found, marks(["cross_entropy", "proxy_anchor", "soft_triple", "supcon"]), "accuracy")[-1]
    assert "Published gains are over cross-entropy, those here over proxy_anchor" in papers.text[0]
    assert "gain here over proxy_anchor (95 % interval)" in papers.tables[0].columns


def test_further_comparisons_are_folded(results: SweepResults, found: Verdict) -> None:
    text = page(results, replace(found, comparisons=found.comparisons * 9))
    assert "3 more comparisons" in text


def test_no_trial_at_all_still_makes_a_page(results: SweepResults) -> None:
    nothing = replace(results, trials=(), confirmations=())
    found = verdict(nothing)
    sections = (*verdict_sections(found, MARKS, "accuracy"), *search_sections(nothing, found, MARKS, "accuracy"))
    assert "<h1>synthetic</h1>" in page(nothing, found, *sections)


def test_work_that_was_done_twice_is_told_where_there_is_some(results: SweepResults, found: Verdict) -> None:
    assert "discarded" not in _costs(results, found)
    searched, confirmed = results.trials[0], results.confirmations[0]
    lost = [DiscardedWork(time=1.0, seconds=seconds, reason="the machine died") for seconds in (30.0, 60.0, 5.0)]
    unlucky = replace(
        results,
        trials=(replace(searched, discarded=tuple(lost[:2])), *results.trials[1:]),
        confirmations=(replace(confirmed, discarded=tuple(lost[2:])), *results.confirmations[1:]),
    )
    assert searched.cell == confirmed.cell
    costs = _costs(unlucky, verdict(unlucky))
    assert "discarded" in costs
    assert costs.count("95 s of 3 (") == 2, "of its cell, and of all"
    assert len(re.findall(r"<t[dh][^>]*>all</t", costs)) == 1


def _costs(results: SweepResults, found: Verdict) -> str:
    return page(results, found, *search_sections(results, found, MARKS, "accuracy"))


def test_the_spec_is_shown_without_passwords_and_folders(results: SweepResults, found: Verdict) -> None:
    spec = {
        **results.sweep.spec,
        "tracking": {"experiment": "x", "uri": "postgresql://ann:s3cret@db/mlflow"},
        "datasets": {"mine": {"path": "/home/ann/data/mine.csv", "hub": "SetFit/subj"}},
        "ledger": "sqlite:////home/ann/ledger.db",
    }
    odd = replace(results, sweep=replace(results.sweep, spec=spec))
    listing = search_sections(odd, found, MARKS, "accuracy")[-1].listing
    assert "s3cret" not in listing
    assert "/home/ann" not in listing
    assert "…/mine.csv" in listing
    assert "SetFit/subj" in listing
    assert "sqlite:///…/ledger.db" in listing
    assert "replicates: 3" in listing


def test_a_wide_table_breaks_its_cells_before_an_interval_and_nowhere_else() -> None:
    table = Table(title="t", columns=("method", "score", "cost"), rows=(("x", "9.7 (<1 to 17.7)", "95 s of 3 (2 %)"),))
    section = Section(anchor="s", title="s", tables=(table,))
    html = render_document(title="t", lead="", notes=(), sections=(section,), images={}, files="")
    assert '<td class="number">9.7<span class="gap"> </span>(&lt;1 to 17.7)</td>' in html
    assert '<td class="number">95 s of 3 (2 %)</td>' in html
