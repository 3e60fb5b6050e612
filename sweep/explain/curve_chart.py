"""By how much the probability of the class falls when words are left out, or alone remain: the perturbation curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sweep.explain.attribution.explained import Prediction
from sweep.explain.attribution.faithfulness import SHARES
from sweep.report.chart import Chart, Row, grouped, number
from sweep.report.style import ACCENT, MUTED, facets
from sweep.verdict.statistics import mean_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["curve_chart"]

_PANELS = {"left out": ("removed_S", "removed_random_S"), "left alone": ("kept_S", "kept_random_S")}
_NAMED, _RANDOM = "the words named first", "random words"


def curve_chart(sampled: Sequence[Prediction]) -> Chart:
    """The mean fall by the share of the words, with its interval over texts, for the ranking and for random orders."""
    return Chart(
        name="perturbation",
        title="What the named words carry",
        caption="By how much the probability of the class falls when a share of the words is left out (on the left: "
        "more is better for the explanation), or when it alone remains (on the right: less is better). Means over "
        f"test rows drawn at random, with 95 % intervals. Blue: {_NAMED}; grey: {_RANDOM}.",
        rows=tuple(_rows(sampled)),
        draw=_draw,
    )


def _rows(sampled: Sequence[Prediction]) -> list[Row]:
    judged = [each.faithfulness for each in sampled if each.faithfulness is not None]
    rows: list[Row] = []
    for panel, fields in _PANELS.items():
        for field, order in zip(fields, (_NAMED, _RANDOM), strict=True):
            falls_NS = np.array([getattr(each, field) for each in judged]).reshape(-1, len(SHARES))
            if not len(falls_NS):
                continue
            one = len(falls_NS) < 2  # a single text has no interval
            low_S, high_S = (falls_NS[0], falls_NS[0]) if one else mean_interval(falls_NS.T)
            for place, share in enumerate(SHARES):
                rows.append(
                    {
                        "words": panel,
                        "order": order,
                        "share": share,
                        "texts": len(falls_NS),
                        "fall": float(falls_NS[:, place].mean()),
                        "low": None if one else float(low_S[place]),
                        "high": None if one else float(high_S[place]),
                    }
                )
    return rows


def _draw(rows: tuple[Row, ...]) -> Figure:
    panels = grouped(rows, "words")
    both = facets(len(panels), height=2.1)
    for axes, (title, own) in zip(both, panels.items(), strict=True):
        _panel(axes, title, own)
    figure = both[0].get_figure(root=True)
    assert figure is not None, "a panel of a figure"
    return figure


def _panel(axes: Axes, title: str, rows: Sequence[Row]) -> None:
    for order, own in grouped(rows, "order").items():
        color, line = (ACCENT, "-") if order == _NAMED else (MUTED, "--")
        at = list(range(len(own)))
        fall, low, high = ([number(row, name) for row in own] for name in ("fall", "low", "high"))
        axes.fill_between(at, low, high, color=color, alpha=0.18, linewidth=0)
        axes.plot(at, fall, line, color=color, marker="o" if order == _NAMED else "s", label=order)
    axes.set_title(title)
    axes.set_xticks(range(len(SHARES)), [f"{100 * share:g} %" for share in SHARES])
    axes.set_xlabel("share of the words, at least one")
    axes.set_ylabel("fall of the probability")
    axes.legend(fontsize=7, loc="best")
