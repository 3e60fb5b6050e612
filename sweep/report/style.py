"""How every figure looks: its colours, one mark for each loss, its panels, and its bytes as PNG and as inline SVG.

Figures are built on matplotlib's object interface, inside `styled()`, so that neither a user's matplotlibrc nor an
earlier figure changes them. The colours are those of Okabe and Ito (2008), which colour-blind readers tell apart.
"""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from trainable.losses import LOSSES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "ACCENT",
    "GRID",
    "INK",
    "MUTED",
    "PAPER",
    "Mark",
    "facets",
    "legend",
    "legend_height",
    "marks",
    "new_figure",
    "shortened",
    "styled",
    "to_png",
    "to_svg",
    "wrapped",
]

INK, MUTED, GRID, PAPER = "#1f2328", "#667080", "#d5dae0", "#fdfdfe"
ACCENT = "#0072b2"
_VARIABLES = {INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--grid)", PAPER: "var(--paper)"}
"""In a page these colours follow its theme."""

_HUES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_MARKERS = ("o", "s", "D", "^")
_NEUTRAL = "#8b929c"  # seen on white and on black: cross-entropy, and losses that no table knows

_RC = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that a figure is the same on every machine
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
    """How a loss is drawn."""

    color: str
    marker: str


def marks(losses: Sequence[str]) -> Mapping[str, Mark]:
    """A mark for each loss, in the order of the table of losses. Cross-entropy is grey; from the seventh of the others
    on, colours come again with another marker."""
    known = [*(loss for loss in LOSSES if loss in losses), *sorted(set(losses) - set(LOSSES))]
    coloured = [loss for loss in known if loss != "cross_entropy"]
    grey = {"cross_entropy": Mark(_NEUTRAL, "o")} if "cross_entropy" in known else {}
    return grey | {
        loss: Mark(_HUES[place % len(_HUES)], _MARKERS[place // len(_HUES) % len(_MARKERS)])
        for place, loss in enumerate(coloured)
    }


@contextmanager
def styled() -> Iterator[None]:
    """matplotlib with the settings of a report, and with the former ones afterwards."""
    import matplotlib.style

    with matplotlib.style.context(_RC, after_reset=True):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, that makes room for its labels by itself."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def facets(count: int, *, columns: int = 2, height: float = 1.75, titles: float = 0.4, top: float = 0.0) -> list[Axes]:
    """`count` panels of `height` inches in rows of `columns`, with room for `titles` above each and for `top` inches of
    a legend. Their places are computed and not fitted, which would take seconds for dozens of panels."""
    from matplotlib.figure import Figure

    columns = min(columns, count)
    rows, left, gap, right, bottom = ceil(count / columns), 0.62, 0.62, 0.12, 0.5
    panel = (7.0 - left - right - gap * (columns - 1)) / columns if columns > 1 else 5.0
    width = left + panel * columns + gap * (columns - 1) + right
    total = top + rows * (titles + height) + (rows - 1) * 0.35 + bottom
    figure = Figure(figsize=(width, total))
    grid = figure.subplots(
        rows,
        columns,
        squeeze=False,
        gridspec_kw={
            "left": left / width,
            "right": 1 - right / width,
            "bottom": bottom / total,
            "top": 1 - (top + titles) / total,
            "wspace": gap / panel,
            "hspace": (titles + 0.35) / height,
        },
    )
    panels: list[Axes] = list(grid.flat)
    for unused in panels[count:]:
        unused.remove()
    return panels[:count]


LEGEND_COLUMNS, LEGEND_ROW = 4, 0.23


def legend(figure: Figure, known: Mapping[str, Mark]) -> None:
    """The losses and their marks, at the top of a figure."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=mark.color, marker=mark.marker, label=loss) for loss, mark in known.items()]
    figure.legend(handles=handles, loc="upper left", ncols=LEGEND_COLUMNS, fontsize=8, columnspacing=1.2, borderpad=0.2)


def legend_height(count: int) -> float:
    """The inches that `legend` takes for so many losses."""
    return 0.08 + LEGEND_ROW * ceil(count / LEGEND_COLUMNS)


def shortened(text: str, width: int) -> str:
    """The text in at most `width` characters, its middle left out where it is longer."""
    if len(text) <= width:
        return text
    head = (width - 1) * 2 // 3
    return f"{text[:head]}…{text[-(width - 1 - head) :]}"


def wrapped(text: str, width: int) -> str:
    """The text in at most two lines of `width` characters."""
    return "\n".join(textwrap.wrap(shortened(text, 2 * width - 8), width, break_on_hyphens=False)[:2])


def to_png(figure: Figure) -> bytes:
    """The figure on white, the same bytes each time."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, facecolor="#ffffff", metadata={"Software": None})
    return buffer.getvalue()


def to_svg(figure: Figure, name: str) -> str:
    """The figure as an SVG element for a page: transparent, in the colours of the page, with ids of its own."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text).replace("xlink:href=", "href=")
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    for color, variable in _VARIABLES.items():
        text = text.replace(color, variable)
    return re.sub(r"\n\s*", "\n", text).strip()
