"""The section on texts that are worth a label, and its data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweep.explain.material import Material, embedded
from sweep.explain.next_labels import new_texts, next_labels, unsureness
from sweep.explain.out_of_fold import frozen_probabilities
from sweep.explain.predictions import Texts
from sweep.explain.wording import cut
from sweep.report.chart import Row
from sweep.report.section import Section, Table
from trainable.datasets.text_data import Rows

__all__ = ["WorthLabelling", "next_rows", "next_section", "worth_labelling"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorthLabelling:
    """The texts of a file that are worth a label.

    texts: how many the file has. new: how many of them differ, and from the labelled ones.
    rows: as data, the first to label first.
    """

    texts: int
    new: int
    rows: tuple[Row, ...]


def worth_labelling(material: Material, given: Texts | None, most: int) -> WorthLabelling | None:
    """Choose up to `most` texts; None where no texts are given.

    Raises TrainableError for an encoder that cannot be used.
    """
    if given is None:
        return None
    texts, pairs = given
    places = new_texts(texts, pairs, material.rows.texts, material.rows.pairs)
    if not places:
        return WorthLabelling(texts=len(texts), new=0, rows=())
    new = Rows(
        tuple(texts[place] for place in places),
        None if pairs is None else tuple(pairs[place] for place in places),
        np.zeros(len(places), dtype=np.int64),
    )
    classes = len(material.data.class_names)
    _, unit_MD = embedded(material.config, classes, [new])
    says_MC = frozen_probabilities(material.unit_ND, material.rows.labels_N, classes, unit_MD)
    chosen = next_labels(unit_MD, unsureness(says_MC), most)
    rows = tuple(
        _row(material, rank, new, each.row, places[each.row], says_MC[each.row], each.stands_for)
        for rank, each in enumerate(chosen, start=1)
    )
    return WorthLabelling(texts=len(texts), new=len(places), rows=rows)


def next_section(found: WorthLabelling | None) -> Section:
    """What to label next; nothing where no texts were given."""
    title = "Rows worth labelling next"
    if found is None:
        return Section(anchor="next", title=title)
    if not found.rows:
        none = f"None of the {found.texts:,} texts of the file: they are blank, or labelled already."
        return Section(anchor="next", title=title, text=(none,))
    shown = [
        (cut(_whole(row), 200), str(row["models_say"]), f"{row['probability']:.2f}", f"{row['stands_for']:,}")
        for row in found.rows
    ]
    return Section(
        anchor="next",
        title=title,
        text=(
            f"Of the {found.texts:,} texts of the file, {found.new:,} are new. They are clustered, and a text weighs "
            "the more, the less sure the frozen classifier is of it; below is the text in the middle of each cluster, "
            "that of the heaviest first. In a replay on four tasks, labels for such texts were worth more than for "
            "texts at random; labels for those that models are least sure of were worth no more, and for those that "
            "they disagree about less. `next_labels.csv` has the texts with an empty column `label`.",
        ),
        tables=(
            Table(
                title=f"The first {len(shown)} to label",
                columns=("text", "models say", "probability", "texts it stands for"),
                rows=tuple(shown),
                words=2,
            ),
        ),
    )


def next_rows(found: WorthLabelling | None) -> tuple[Row, ...]:
    """The same as data."""
    return () if found is None else found.rows


def _row(
    material: Material,
    rank: int,
    new: Rows,
    row: int,
    place: int,
    says_C: NDArray[np.float64],
    stands_for: int,
) -> Row:
    said = int(says_C.argmax())
    pairs = {} if new.pairs is None else {"text_pair": new.pairs[row]}
    return {
        "rank": rank,
        "row": place + 1,
        "text": new.texts[row],
        **pairs,
        "label": None,
        "models_say": material.data.class_names[said],
        "probability": float(says_C[said]),
        "stands_for": stands_for,
    }


def _whole(row: Row) -> str:
    return f"{row['text']} | {row['text_pair']}" if "text_pair" in row else str(row["text"])
