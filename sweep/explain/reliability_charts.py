"""Figures of confidence: the reliability diagram, and the errors that are left where the least sure rows are not
answered.

Shapes: K draws, T test rows, U different scores among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sweep.explain.judged import Judged
from sweep.explain.reliability import BINS, equal_width
from sweep.report.chart import Chart, Row, grouped, number
from sweep.report.style import MUTED, Mark, facets, legend, legend_height, marks
from sweep.verdict.crossed import crossed_summary
from trainable.confidences import TEMPERED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["reliability_diagram", "risk_coverage"]

_COVERAGES = tuple(place / 10 for place in range(1, 11))
_STATES = {False: "as it is", True: "with temperature"}

Values = NDArray[np.float64]


def reliability_diagram(arms: Mapping[str, Judged]) -> Chart:
    """Accuracy by confidence, in ten bins of equal width, for every arm, before and after its temperature."""
    rows = tuple(
        row
        for tempered in _STATES
        for method, judged in arms.items()
        if judged.has((TEMPERED if tempered else "") + "confidence")
        for row in _bins(method, judged, tempered)
    )
    shown = tuple(_filled(rows))
    left_out = " Bins with less than one row a draw are not drawn." if len(shown) < len(rows) else ""
    return Chart(
        name="reliability",
        title="Is it right as often as it says?",
        caption="Test rows by the probability of the predicted class, in ten bins of equal width: how many of them are "
        "right, with 95 % intervals over draws and rows. On the line, confidence is what it should be; below it, the "
        f"method is too sure.{left_out}",
        rows=rows,
        draw=_draw_diagram,
        shown=shown,
    )


def risk_coverage(arms: Mapping[str, Judged]) -> Chart:
    """The share of errors among the surest rows, by how many of the rows are answered, for every arm."""
    rows = tuple(row for method, judged in arms.items() for row in _risks(method, judged))
    return Chart(
        name="risk_coverage",
        title="Errors that are left where the least sure rows are not answered",
        caption="Share of errors among the surest test rows, by the probability of the predicted class, with 95 % "
        "intervals over draws and rows.",
        rows=rows,
        draw=_draw_risks,
    )


def _filled(rows: Sequence[Row]) -> Iterator[Row]:
    """The bins with a row a draw or more; all of an arm's where draws test so few rows that it has none of them."""
    for state in grouped(rows, "scores").values():
        for own in grouped(state, "method").values():
            yield from [row for row in own if number(row, "rows") >= 1] or own


def _bins(method: str, judged: Judged, tempered: bool) -> Iterator[Row]:
    confidence_KT = judged.values[(TEMPERED if tempered else "") + "confidence"]
    tested_KT = ~np.isnan(judged.right_KT)
    bins_KT = np.where(tested_KT, equal_width(np.nan_to_num(confidence_KT)), -1)
    for place in range(BINS):
        inside_KT = bins_KT == place
        if inside_KT.any():
            mean, low, high = _share_of(judged.right_KT, inside_KT.astype(np.float64), tested_KT)
            yield {
                "method": method,
                "scores": _STATES[tempered],
                "bin": place + 1,
                "rows": float(inside_KT.sum() / len(inside_KT)),
                "confidence": float(confidence_KT[inside_KT].mean()),
                "accuracy": mean,
                "low": low,
                "high": high,
            }


def _risks(method: str, judged: Judged) -> Iterator[Row]:
    tested_KT = ~np.isnan(judged.right_KT)
    scores_KT = np.where(tested_KT, judged.values["confidence"], -np.inf)
    count_K = tested_KT.sum(axis=1)
    for coverage in _COVERAGES:
        most_K = np.maximum(1, np.rint(coverage * count_K))
        answered_KT = np.stack([_answered(*each) for each in zip(scores_KT, most_K, strict=True)])
        mean, low, high = _share_of(1 - judged.right_KT, answered_KT, tested_KT)
        yield {"method": method, "coverage": coverage, "error": mean, "low": low, "high": high}


def _answered(score_T: Values, most: float) -> Values:
    """How much of each row is answered where so many are: all of those with the highest scores, and of rows of one
    score that are not all answered an equal part, since nothing but their order in the file tells them apart."""
    _, tie_T, count_U = np.unique(-score_T, return_inverse=True, return_counts=True)
    share_U: Values = np.clip((most - (np.cumsum(count_U) - count_U)) / count_U, 0.0, 1.0)
    return share_U[tie_T]


def _share_of(values_KT: Values, inside_KT: Values, tested_KT: NDArray[np.bool_]) -> tuple[float, ...]:
    """The mean of the values of some rows, over all draws together, and its interval, which takes it for a ratio of two
    means over all rows; without an interval where there is one draw or one row.

    inside_KT: how much of each row counts, from 0 to 1.
    """
    known_KT = np.nan_to_num(values_KT)
    mean = float((inside_KT * known_KT).sum() / inside_KT.sum())
    share = float(inside_KT.sum() / tested_KT.sum())
    parts_KT = np.where(tested_KT, mean + inside_KT * (known_KT - mean) / share, np.nan)
    parts_KT = parts_KT[:, tested_KT.any(axis=0)]
    if min(parts_KT.shape) < 2:
        return mean, mean, mean
    found = crossed_summary(parts_KT)
    return mean, found.low, found.high


def _draw_diagram(rows: tuple[Row, ...]) -> Figure:
    panels = grouped(rows, "scores")
    known = marks(list(grouped(rows, "method")))
    axes = facets(len(panels), height=2.5, titles=0.35, top=legend_height(known))
    for each, (state, own) in zip(axes, panels.items(), strict=True):
        each.plot([0, 100], [0, 100], color=MUTED, linewidth=1, zorder=1)
        for method, bins in grouped(own, "method").items():
            each.vlines(
                _percent(bins, "confidence"), _percent(bins, "low"), _percent(bins, "high"), color=known[method].color
            )
            each.plot(
                _percent(bins, "confidence"),
                _percent(bins, "accuracy"),
                color=known[method].color,
                marker=known[method].marker,
            )
        each.set_title(state)
        _square(each)
    return _with_legend(axes, known)


def _draw_risks(rows: tuple[Row, ...]) -> Figure:
    by_method = grouped(rows, "method")
    known = marks(list(by_method))
    (axes,) = facets(1, height=2.6, titles=0.1, top=legend_height(known))
    for place, (method, own) in enumerate(by_method.items()):
        shift = 0.8 * (place - (len(by_method) - 1) / 2)  # so that intervals stand side by side
        at = [each + shift for each in _percent(own, "coverage")]
        axes.vlines(at, _percent(own, "low"), _percent(own, "high"), color=known[method].color, linewidth=1)
        axes.plot(at, _percent(own, "error"), color=known[method].color, marker=known[method].marker)
    axes.set_xlabel("rows answered in %, the surest first")
    axes.set_ylabel("errors among them in %")
    axes.set_ylim(bottom=0)
    return _with_legend([axes], known)


def _percent(rows: list[Row], column: str) -> list[float]:
    return [100 * number(row, column) for row in rows]


def _square(axes: Axes) -> None:
    axes.set_xlim(0, 102)
    axes.set_ylim(0, 102)
    axes.set_xlabel("confidence in %")
    axes.set_ylabel("accuracy in %")


def _with_legend(panels: list[Axes], known: Mapping[str, Mark]) -> Figure:
    figure = panels[0].get_figure(root=True)
    assert figure is not None, "a panel of a figure"
    legend(figure, known)
    return figure
