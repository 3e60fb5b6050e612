"""The section on doubtful labels, and its data: every labelled row, the most doubtful label first."""

from __future__ import annotations

from collections.abc import Iterator

from sweep.explain.doubtful import Doubtful, nearest
from sweep.explain.material import Material
from sweep.explain.wording import cut
from sweep.report.chart import Row
from sweep.report.section import Case, Section

__all__ = ["label_rows", "label_section"]

_LEAST, _MOST = 10, 50  # rows on the page


def label_section(material: Material) -> Section:
    """The labels to look at first: a tenth of the rows, from 10 to 50."""
    known = [each for each in material.doubtful if each.doubt is not None]
    shown = known[: min(_MOST, max(_LEAST, len(material.rows) // 10))]
    disputed = sum(each.disputed for each in known)
    return Section(
        anchor="labels",
        title="Doubtful labels",
        text=tuple(_text(material, len(shown), disputed)),
        cases=tuple(Case(text=cut(material.text(each.row)), facts=tuple(_facts(material, each))) for each in shown),
    )


def label_rows(material: Material) -> tuple[Row, ...]:
    """Every labelled row as data, the most doubtful label first."""
    return tuple(_row(material, rank, each) for rank, each in enumerate(material.doubtful, start=1))


def _text(material: Material, shown: int, disputed: int) -> Iterator[str]:
    yield (
        f"Of {len(material.rows):,} labels, {disputed:,} are not what models that have not trained on the row say "
        "most often: the confirmed arms of this dataset, each on the test rows of its draws, and a logistic regression "
        f"on the embeddings of {material.encoder} that is fitted to other rows, again and again. Each arm counts once, "
        "however many models it has, and so does the logistic regression. Models err too: read the text."
    )
    yield (
        f"First are the labels that fewest models say and that are least probable out of fold. "
        f"The first {shown} are below; `doubtful_labels.csv` has all."
    )
    if material.quality is None:
        yield "With `pip install 'few-shot-sweep[explain]'`, the score of the package cleanlab stands beside this one."


def _facts(material: Material, each: Doubtful) -> Iterator[tuple[str, str]]:
    assert each.said is not None, "something is said of a row that is shown"
    names = material.data.class_names
    yield "its label", names[each.label]
    said = f"{each.arms_saying} of {each.arms} arms, {each.saying} of {each.models} models"
    yield "models say", f"{names[each.said]}{', too' if each.said == each.label else ''} ({said})"
    if each.probability is not None:
        yield "its label's probability", f"{each.probability:.2f} out of fold{_flag(material, each.row)}"
    for label in dict.fromkeys((each.label, each.said)):
        found = [
            cut(material.text(row), 120)
            for row, _ in nearest(material.unit_ND, material.rows.labels_N, each.row, label)
        ]
        yield f"nearest: {names[label]}", " · ".join(found) or "no other row"


def _flag(material: Material, row: int) -> str:
    if material.quality is None:
        return ""
    return f"; cleanlab: {'an error' if material.quality.flagged_N[row] else 'no error'}"


def _row(material: Material, rank: int, each: Doubtful) -> Row:
    names, rows = material.data.class_names, material.rows
    pairs = {} if rows.pairs is None else {"text_pair": rows.pairs[each.row]}
    quality = {}
    if material.quality is not None:
        score = float(material.quality.score_N[each.row])
        quality = {"cleanlab_quality": score, "cleanlab_error": int(material.quality.flagged_N[each.row])}
    near: dict[str, str | float | None] = {}
    for kind, label in (("label", each.label), ("said", each.said)):
        found = [] if label is None else list(nearest(material.unit_ND, rows.labels_N, each.row, label, most=1))
        near[f"nearest_of_{kind}"] = material.text(found[0][0]) if found else None
        near[f"cosine_of_{kind}"] = found[0][1] if found else None
    return {
        "rank": rank,
        "text": rows.texts[each.row],
        **pairs,
        "label": names[each.label],
        "models_say": None if each.said is None else names[each.said],
        "doubt": each.doubt,
        "probability": each.probability,
        "models_saying": each.saying,
        "models": each.models,
        "arms_saying": each.arms_saying,
        "arms": each.arms,
        **quality,
        **near,
    }
