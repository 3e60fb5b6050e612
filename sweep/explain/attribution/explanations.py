"""Explained predictions as a program or a notebook has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from sweep.explain.attribution.explained import Prediction
from sweep.explain.attribution.highlight import highlighted, named_words
from sweep.explain.attribution.tables import prediction_row, word_rows

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]

__all__ = ["Explanations"]

_BLUE, _ORANGE = "0,114,178", "213,94,0"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Explanations(Sequence[Prediction]):
    """What a classifier says of some texts, and why: a sequence of predictions, that a notebook shows with their words
    marked (blue for the class that is said, orange and underlined against it).

    predictions: they.
    """

    predictions: tuple[Prediction, ...]

    @property
    def words(self) -> pd.DataFrame:
        """A row for each word of each text: what it adds to the score of the class that is said (`adds_to_head`,
        `adds_to_nearest`), its share, and by how much the score falls where it is left out."""
        import pandas as pd

        rows = [row for number, each in enumerate(self.predictions) for row in word_rows(number, each)]
        return pd.DataFrame(rows)

    @property
    def table(self) -> pd.DataFrame:
        """A row for each text: what is said, what it is nearest to, and how the explanation does in its checks."""
        import pandas as pd

        return pd.DataFrame([prediction_row(each) for each in self.predictions])

    @overload
    def __getitem__(self, place: int) -> Prediction: ...

    @overload
    def __getitem__(self, place: slice) -> Explanations: ...

    def __getitem__(self, place: int | slice) -> Prediction | Explanations:
        if isinstance(place, slice):
            return Explanations(predictions=self.predictions[place])
        return self.predictions[place]

    def __len__(self) -> int:
        return len(self.predictions)

    def __repr__(self) -> str:
        return "\n".join(map(_line, self.predictions)) or "<no text>"

    def _repr_html_(self) -> str:
        """The texts with their words marked; everything in them is escaped."""
        return "".join(f"<div style='margin:.6em 0;line-height:1.9'>{_html(each)}</div>" for each in self.predictions)


def _line(each: Prediction) -> str:
    words = named_words(each, 1) or "no word speaks for it"
    warning = f" [not to be relied on: {'; '.join(each.problems)}]" if each.problems else ""
    return f"{each.label} ({100 * each.probability:.0f} %): {words}{warning}"


def _html(each: Prediction) -> str:
    from markupsafe import escape

    return "".join(
        (
            f"<b>{escape(each.label)}</b> {100 * each.probability:.0f} %: <bdi>",
            *_spans(each),
            "</bdi>",
            *(f"<br><small>not to be relied on: {escape(problem)}</small>" for problem in each.problems),
        )
    )


def _spans(each: Prediction) -> Iterator[str]:
    from markupsafe import escape

    for word in highlighted(each):
        colour = f"rgba({_BLUE if word.level > 0 else _ORANGE},{0.125 * abs(word.level)})"
        style = f"background:{colour};border-radius:3px" + (";text-decoration:underline dotted" * (word.level < 0))
        yield f"{escape(word.before)}<span style='{style}' title='{escape(word.note)}'>{escape(word.text)}</span>"
