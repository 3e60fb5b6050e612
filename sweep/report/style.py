"""The style of all figures: colours, one mark for each method, panels, and the output as PNG and as inline SVG.

Figures are built with matplotlib's object interface inside `styled()`, so that neither a user's matplotlibrc nor an
earlier figure changes them. The colours are those of Okabe and Ito (2008), which colour-blind readers can distinguish.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from sweep.report.labels import fonts, named, width
from trainable.losses import LOSSES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "ACCENT",
    "GRID",
    "INK",
    "MUTED",
    "PANEL",
    "PAPER",
    "Mark",
    "as_pixels",
    "facets",
    "legend",
    "legend_height",
    "marks",
    "new_figure",
    "styled",
    "title_line",
    "to_png",
    "to_svg",
]

INK, MUTED, GRID, PAPER = "#1f2328", "#667080", "#d5dae0", "#fdfdfe"
ACCENT = "#0072b2"
PANEL = 2.75
"""The width of the titles of panels in two columns, in inches."""
_MOST_VECTORS = 2000
_VARIABLES = {INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--grid)", PAPER: "var(--paper)"}
"""The CSS variables that replace these colours in a page, so that they follow its theme."""

_HUES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_MARKERS = ("o", "s", "D", "^")
_NEUTRAL = "#8b929c"  # visible on white and on black: cross-entropy

_RC = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "text.parse_math": False,  # a class may be called `$`
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "lines.linewidth": 1.5,
    "lines.markersize": 5.5,
    "svg.fonttype": "path",
    "svg.hashsalt": "few-shot-sweep",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """The colour and the marker with which a method is drawn."""

    color: str
    marker: str


def marks(methods: Sequence[str]) -> Mapping[str, Mark]:
    """A mark for each method, in the order of the table of methods.

    Cross-entropy is grey. From the seventh of the other methods on, colours are used again with another marker.
    """
    known = [*(method for method in LOSSES if method in methods), *sorted(set(methods) - set(LOSSES))]
    coloured = [method for method in known if method != "cross_entropy"]
    grey = {"cross_entropy": Mark(_NEUTRAL, "o")} if "cross_entropy" in known else {}
    return grey | {
        method: Mark(_HUES[place % len(_HUES)], _MARKERS[place // len(_HUES) % len(_MARKERS)])
        for place, method in enumerate(coloured)
    }


@contextmanager
def styled() -> Iterator[None]:
    """Use the settings of a report in matplotlib while the context is open."""
    import matplotlib.style

    with matplotlib.style.context({**_RC, "font.family": list(fonts())}, after_reset=True):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this size in inches, with a layout that makes room for labels."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def facets(
    count: int,
    *,
    columns: int = 2,
    height: float = 1.75,
    titles: float = 0.4,
    top: float = 0.0,
    beside: float = 0.62,
) -> list[Axes]:
    """A grid of `count` panels. Their places are computed and not fitted, which would take seconds for dozens of them.

    columns: panels in a row.
    height: of a panel, in inches.
    titles: room above each panel, in inches.
    top: room for a legend above all panels, in inches.
    beside: room for labels on the left of each panel, in inches.
    """
    from matplotlib.figure import Figure

    columns = min(columns, count)
    rows, left, gap, right, bottom = ceil(count / columns), beside, beside, 0.12, 0.5
    panel = (7.0 - left - right - gap * (columns - 1)) / columns if columns > 1 else 5.0
    width = left + panel * columns + gap * (columns - 1) + right
    total = top + rows * (titles + height) + (rows - 1) * 0.35 + bottom
    figure = Figure(figsize=(width, total))
    places = {"left": left / width, "right": 1 - right / width, "bottom": bottom / total}
    places |= {"top": 1 - (top + titles) / total, "wspace": gap / panel, "hspace": (titles + 0.35) / height}
    panels: list[Axes] = list(figure.subplots(rows, columns, squeeze=False, gridspec_kw=places).flat)
    for unused in panels[count:]:
        unused.remove()
    return panels[:count]


_LEGEND_COLUMNS, _LEGEND_ROW, _LEGEND_WIDTH = 4, 0.23, 5.5
_LEGEND_SIZE, _LEGEND_MARK = 8.0, 0.45  # the font, in points; a mark and the space about it, in inches


def legend(figure: Figure, known: Mapping[str, Mark]) -> None:
    """Draw a legend of the methods and their marks at the top of a figure."""
    from matplotlib.lines import Line2D

    labels = _legend_labels(known)
    handles = [Line2D([], [], color=mark.color, marker=mark.marker, label=labels[name]) for name, mark in known.items()]
    columns = _legend_columns(known)
    figure.legend(
        handles=handles, loc="upper left", ncols=columns, fontsize=_LEGEND_SIZE, columnspacing=1.2, borderpad=0.2
    )


def title_line(axes: Axes, place: float, title: str) -> None:
    """Write the title of the rows below it on a line of its own, at this height. No line of the axes shows through."""
    axes.text(
        0.005,
        place,
        title,
        transform=axes.get_yaxis_transform(),
        weight="bold",
        va="center",
        fontsize=8.5,
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1.0},
    )


def legend_height(methods: Collection[str]) -> float:
    """The height of `legend` for these methods, in inches."""
    return 0.08 + _LEGEND_ROW * ceil(len(methods) / _legend_columns(methods))


def _legend_columns(methods: Collection[str]) -> int:
    """As many as there is room for beside each other: the figure with one panel is the narrowest."""
    longest = max((width(label, _LEGEND_SIZE) for label in _legend_labels(methods).values()), default=0.0)
    return max(1, min(_LEGEND_COLUMNS, int(_LEGEND_WIDTH / (longest + _LEGEND_MARK))))


def _legend_labels(methods: Iterable[str]) -> Mapping[str, str]:
    return named(methods, "method", _LEGEND_WIDTH - _LEGEND_MARK, _LEGEND_SIZE)


def as_pixels(marks: int) -> bool:
    """Whether an artist of so many marks is an image within the vectors of a page, which would be slow to write and to
    show otherwise."""
    return marks > _MOST_VECTORS


def to_png(figure: Figure) -> bytes:
    """The figure as PNG on white; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, facecolor="#ffffff", metadata={"Software": None})
    return buffer.getvalue()


def to_svg(figure: Figure, name: str) -> str:
    """The figure as an SVG element for a page: transparent, in the page's colours, with ids prefixed by `name`."""
    buffer = io.StringIO()
    figure.savefig(
        buffer, format="svg", dpi=150, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
    )
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text).replace("xlink:href=", "href=")
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    for color, variable in _VARIABLES.items():
        text = text.replace(color, variable)
    return re.sub(r"\n\s*", "\n", text).strip()
