"""The sections on where an arm is right, what it gets wrong most surely, and against other arms; and their data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from sweep.explain.flips import Flip, flips
from sweep.explain.material import Material
from sweep.explain.slices import NEGATIONS, accuracy, text_slices
from sweep.explain.slices_chart import slices_chart
from sweep.explain.votes import UNTESTED
from sweep.explain.wording import cut
from sweep.report.chart import Row
from sweep.report.section import Case, Section, Table
from sweep.report.wording import interval, p_value, percent

__all__ = ["SlicedArm", "error_section", "flip_section", "slice_section", "sliced"]

_ERRORS = 10  # on the page


@dataclass(frozen=True, slots=True, kw_only=True)
class SlicedArm:
    """The data of these sections, as rows.

    slices: the accuracy of the arm on each slice.
    errors: the test rows that most of its draws get wrong, first those on which they agree most.
    flips: the arm against each other arm of its comparison on each slice.
    """

    slices: tuple[Row, ...]
    errors: tuple[Row, ...]
    flips: tuple[Row, ...]


def sliced(material: Material) -> SlicedArm:
    """Cut the test rows into slices, and judge the arm on each."""
    method = material.arm.method
    parts = text_slices(material.data.test, material.data.class_names)
    right_NT = material.right(method)
    others = {each: material.right(each) for each in material.said if each != method}
    accuracies = [(part, accuracy(right_NT, part.rows_T)) for part in parts]
    return SlicedArm(
        slices=tuple(
            {
                "kind": part.kind,
                "slice": part.name,
                "rows": found.rows,
                "accuracy": found.mean,
                "low": found.low,
                "high": found.high,
            }
            for part, found in accuracies
            if found.rows
        ),
        errors=tuple(_errors(material)),
        flips=tuple(map(_flip_row, flips(right_NT, others, parts))),
    )


def slice_section(material: Material, found: SlicedArm) -> Section:
    """Accuracy on every slice."""
    rows = tuple(
        (
            str(row["kind"]),
            str(row["slice"]),
            str(row["rows"]),
            percent(_share(row, "accuracy")),
            _interval(row),
        )
        for row in found.slices
    )
    table = Table(
        title="Accuracy by slice, in %",
        columns=("by", "slice", "test rows", "accuracy", "95 % interval"),
        rows=rows,
        words=2,
        folded=True,
    )
    text = (
        "Slices overlap, and of many some stand apart by chance: an interval that misses the line is a reason to look, "
        "no proof.",
        f"A text with a negation has one of {', '.join(NEGATIONS)}, or a word in `n't`: that is for English. Odd "
        "characters are what a wrong decoding leaves: replacement, control, private and invisible ones, or UTF-8 that "
        "was read as Latin-1.",
    )
    chart = slices_chart(found.slices, material.arm.method)
    return Section(anchor="slices", title="Where it is right", text=text, charts=(chart,), tables=(table,))


def error_section(material: Material, found: SlicedArm) -> Section:
    """The errors that most draws agree on."""
    count = len(found.errors)
    text = (
        f"At least half of its draws get {count:,} of {material.arm.tested or len(material.data.test):,} test rows "
        "wrong. Below are those on which they agree most, and of these the ones of which the frozen classifier is "
        "surest. Where a row stands high among the doubtful labels too, its label may be what is wrong.",
    )
    cases = tuple(
        Case(
            text=cut(str(row["text"])),
            facts=(
                ("its label", str(row["label"])),
                ("the arm says", f"{row['said']} (in {row['draws_saying']} of {row['draws']} draws)"),
                ("doubtful label", f"no. {row['doubt_rank']} of {len(material.rows):,}"),
            ),
        )
        for row in found.errors[:_ERRORS]
    )
    return Section(anchor="errors", title="What it gets wrong most surely", text=text, cases=cases)


def flip_section(material: Material, found: SlicedArm) -> Section:
    """The arm against the others; nothing where there is no other."""
    if not found.flips:
        return Section(anchor="flips", title="Against other methods")
    method = material.arm.method
    rows = tuple(
        (
            str(row["other"]),
            str(row["slice"]),
            str(row["rows"]),
            str(row["only_this_right"]),
            str(row["only_other_right"]),
            p_value(_share(row, "p_value")),
            p_value(_share(row, "p_corrected")),
        )
        for row in found.flips
    )
    sure = [row for row in found.flips if (_share(row, "p_corrected") or 0) < 0.05]
    text = (
        "A row counts as right if more than half of the draws that test it get it right. McNemar's exact test asks "
        f"whether either arm is as likely to be the only one right; Holm's correction covers all {len(found.flips)} "
        f"lines of the table. {_sure(sure)} Whether one method is better as a whole is for the report to say, which "
        "counts the draws too.",
    )
    columns = ("other", "slice", "rows", f"only {method} right", "only the other right", "p", "corrected p")
    table = Table(
        title="Rows that only one of two gets right", columns=columns, rows=rows, words=2, folded=len(rows) > 12
    )
    return Section(anchor="flips", title="Against other methods", text=text, tables=(table,))


def _sure(rows: list[Row]) -> str:
    if not rows:
        return "None of them holds at 5 %."
    shown = ", ".join(f"{row['other']} on {row['slice']}" for row in rows[:5])
    return f"What holds at 5 %: {shown}{f' and {len(rows) - 5} more' if len(rows) > 5 else ''}."


def _errors(material: Material) -> Iterator[Row]:
    """The test rows of which most draws say one other class, or other ones, in the order of their agreement."""
    labels_T, said_KT = material.data.test.labels_N, material.said[material.arm.method]
    ranks = {each.row: rank for rank, each in enumerate(material.doubtful, start=1)}
    classes, found = len(material.data.class_names), []
    for place, (label, said_K) in enumerate(zip(labels_T.tolist(), said_KT.T, strict=True)):
        counts_C = np.bincount(said_K[said_K != UNTESTED], minlength=classes)
        draws, right = int(counts_C.sum()), int(counts_C[label])
        if draws == 0 or 2 * right > draws:
            continue
        counts_C[label] = 0
        said, row = int(counts_C.argmax()), int(material.tested[place])
        sureness = float(np.nan_to_num(material.probability_NC[row, said]))
        found.append((-counts_C[said] / draws, -sureness, row, label, said, int(counts_C[said]), draws))
    for _, _, row, label, said, saying, draws in sorted(found):
        yield {
            "text": material.text(row),
            "label": material.data.class_names[label],
            "said": material.data.class_names[said],
            "draws_saying": saying,
            "draws": draws,
            "doubt_rank": ranks[row],
        }


def _flip_row(flip: Flip) -> Row:
    return {
        "other": flip.other,
        "kind": flip.part.kind,
        "slice": flip.part.name,
        "rows": flip.rows,
        "only_this_right": flip.only_ours,
        "only_other_right": flip.only_other,
        "p_value": flip.p_value,
        "p_corrected": flip.p_corrected,
    }


def _interval(row: Row) -> str:
    low, high = _share(row, "low"), _share(row, "high")
    return "–" if low is None or high is None else interval(low, high, signed=False)


def _share(row: Mapping[str, object], name: str) -> float | None:
    value = row[name]
    assert value is None or isinstance(value, float), f"{name} is a number"
    return value
