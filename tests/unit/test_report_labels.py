"""Whatever things are called, a figure stays legible, and the page has every name in full."""

from __future__ import annotations

import html
import re
import warnings
from collections.abc import Iterator
from itertools import combinations

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from sweep.records.results import SweepResults
from sweep.report import labels
from sweep.report.chart import Chart, beginning
from sweep.report.labels import fitted, is_legible, named, wrapped
from sweep.report.page import _SIDE_BY_SIDE, _parts
from sweep.report.style import styled
from sweep.report.tables import result_table
from sweep.report.write import _sections
from sweep.verdict import verdict
from tests.sweeps.hostile_names import CLASSES, DATASETS, hostile_results, many_arms, one_method

KINDS = ("hostile names", "many arms", "one method")


@pytest.fixture(scope="module")
def made() -> dict[str, SweepResults]:
    return {"hostile names": hostile_results(), "many arms": many_arms(), "one method": one_method()}


def charts(results: SweepResults) -> Iterator[Chart]:
    for section in _sections(results, verdict(results), "accuracy"):
        yield from section.charts


def ticks(figure: Figure) -> list[Text]:
    """The labels of the ticks that are drawn; those beyond an axis's limits are not."""
    return [
        tick.label1
        for axes in figure.axes
        if axes.axison
        for axis in (axes.xaxis, axes.yaxis)
        for tick in axis._update_ticks()  # type: ignore[union-attr]  # no public name
        if tick.label1.get_visible() and tick.label1.get_text().strip()
    ]


def others(figure: Figure) -> list[Text]:
    """Titles, legends and what else is written."""
    every = [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    of_ticks = {
        id(text) for axis in every for tick in (*axis.majorTicks, *axis.minorTicks) for text in tick.findobj(Text)
    }
    found = [each for each in figure.findobj(Text) if isinstance(each, Text) and id(each) not in of_ticks]
    return [each for each in found if each.get_visible() and each.get_text().strip()]


def faults(figure: Figure) -> Iterator[str]:
    figure.draw_without_rendering()
    inside, labels = figure.bbox.padded(1.0), ticks(figure)
    for each in (*labels, *others(figure)):
        box = each.get_window_extent()
        if not (inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1):
            yield f"{each.get_text()!r} is cut off"
    boxes = [(each.get_text(), each.get_window_extent()) for each in labels]
    for (one, its_box), (other, other_box) in combinations(boxes, 2):
        if overlap(its_box, other_box):
            yield f"{one!r} lies on {other!r}"


def overlap(one: Bbox, other: Bbox) -> bool:
    shared = Bbox.intersection(one, other)
    return shared is not None and min(shared.width, shared.height) > 1.0  # pixels


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_label_lies_inside_its_figure_has_its_letters_and_no_two_overlap(
    kind: str, made: dict[str, SweepResults]
) -> None:
    wrong: list[str] = []
    for chart in charts(made[kind]):
        with styled(), warnings.catch_warnings():
            warnings.simplefilter("error")  # a letter that no font has
            figure = chart.draw(chart.rows if chart.shown is None else chart.shown)
            wrong += [f"{chart.name}: {fault}" for fault in faults(figure)]
        assert figure.get_figheight() * 150 < 2**14, f"{chart.name} is too tall for an image"
    assert wrong == []


@pytest.mark.lengthy
def test_a_name_is_cut_in_the_middle_to_the_room_there_is() -> None:
    for name in (*CLASSES, *DATASETS):
        label = fitted(name, 0.9, 7) if is_legible(name) else ""
        assert labels.width(label, 7) <= 0.9
        assert all(labels.width(line, 7) <= 0.9 for line in label.splitlines())
    assert fitted("short", 1.0) == "short"
    assert re.fullmatch(r"customer.*….*_1", fitted(DATASETS[0], 2.0))
    assert re.fullmatch(r"customer.*….*_1/8/sub_center_arcface", fitted(f"{DATASETS[0]}/8/sub_center_arcface", 2.9))


def test_a_title_is_parted_between_words_into_two_lines() -> None:
    assert wrapped("a dataset of tickets, 8 labels per class", 1.8) == "a dataset of tickets, 8\nlabels per class"
    assert len(wrapped("W" * 110, 1.8).splitlines()) == 2


def test_a_line_break_in_a_name_is_a_space() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # as of a letter that no font has, which a run would print
        assert (fitted("two\nlines", 2), wrapped("two\nlines", 2)) == ("two lines", "two lines")
        assert len(set(named(["two\nlines", "two lines"], "class", 2).values())) == 2


def test_labels_of_different_names_differ_and_letters_without_a_font_become_a_number() -> None:
    found = named(CLASSES, "class", 1.0, 7)
    assert len(set(found.values())) == len(CLASSES)
    assert [found[name] for name in CLASSES if not is_legible(name)] == [
        f"class {number}" for number, name in enumerate(CLASSES, start=1) if not is_legible(name)
    ]


def test_what_a_name_has_beside_letters_without_a_font_is_kept() -> None:
    unknown = "\N{TAI THAM LETTER LOW KA}"
    assert named([f"{unknown}/8/supcon", f"{unknown}/8/triplet", unknown], "cell", 3.0) == {
        f"{unknown}/8/supcon": "1: …/8/supcon",
        f"{unknown}/8/triplet": "2: …/8/triplet",
        unknown: "cell 3",
    }


def test_a_figure_says_what_it_has_no_room_for() -> None:
    rows = tuple({"comparison": f"c{number // 3}", "loss": f"l{number % 3}"} for number in range(30))
    shown, said = beginning(rows, "comparison", 9, ("loss",))
    assert (len(shown), said) == (6, " Shown: the first 2 of 10 comparisons; the data beside the page have all.")
    assert beginning(rows, "comparison", 40, ("loss",)) == (rows, "")
    assert len(beginning(rows, "comparison", 1, ("loss",))[0]) == 3, "one group at least"


@pytest.mark.slow
def test_the_table_of_results_is_parted_into_as_many_columns_as_a_page_has_room_for() -> None:
    table = result_table(verdict(many_arms()), "accuracy")
    parts = list(_parts(table))
    assert [column for part in parts for column in part.columns] == list(table.columns)
    assert max(len(part.columns) for part in parts) <= _SIDE_BY_SIDE
    for loss, entries in table.rows.items():
        assert [entry for part in parts for entry in part.rows[loss]] == list(entries)
    assert [count for part in parts for _, count in part.groups] == [1] * 9


@pytest.mark.slow
def test_every_name_that_a_figure_cuts_stands_in_full_beside_it() -> None:
    found = {chart.name: chart for chart in charts(hostile_results())}
    cut = {name for _, name in found["confusion"].names}
    assert {html.unescape(name) for name in CLASSES if len(name) > 20 or not is_legible(name)} <= cut
    for chart in ("differences", "history", "outcomes"):
        assert any(DATASETS[0] in name for _, name in found[chart].names)
        assert any(DATASETS[2] in name for _, name in found[chart].names)
