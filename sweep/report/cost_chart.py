"""Quality against cost: the test score of each arm beside the workers' time that its search and confirmation took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from sweep.report.chart import Chart, Row, beginning, changed, grouped, number, text
from sweep.report.labels import named
from sweep.report.style import PANEL, Mark, facets, legend, legend_height
from sweep.verdict import Arm, Comparison, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["quality_against_cost"]

_MOST_PANELS = 24


def quality_against_cost(verdict: Verdict, known: Mapping[str, Mark], metric: str) -> Chart | None:
    """The mean test score of each arm against its seconds of workers' time; None unless a comparison has two arms that
    took any. Predictions, whose time and money were spent elsewhere, are left out."""
    rows = [_row(comparison, arm) for comparison in verdict.comparisons for arm in comparison.arms if _is_shown(arm)]
    several = {title for title, own in grouped(rows, "comparison").items() if len(own) > 1}
    chosen = tuple(row for row in rows if row["comparison"] in several)
    if not chosen:
        return None
    shown, left_out = beginning(chosen, "comparison", _MOST_PANELS, ())
    titles = named(grouped(shown, "comparison"), "comparison", PANEL, bold=True, lines=2)
    return Chart(
        name="quality-against-cost",
        title="Quality against cost",
        caption="Mean test score with its 95 % interval, against the seconds of workers' time that search and "
        "confirmation took, without work that was interrupted. Embeddings of an encoder that is not trained are kept "
        "on a machine: who asks for them first bears their time. Further left is cheaper, further up is "
        f"better.{left_out}",
        rows=chosen,
        draw=partial(_draw, titles=titles, known=known, label=f"test {metric} (%)"),
        names=changed(titles),
        shown=shown,
    )


def _is_shown(arm: Arm) -> bool:
    return arm.summary is not None and arm.cost.spent.useful > 0 and arm.trains != "elsewhere"


def _row(comparison: Comparison, arm: Arm) -> Row:
    assert arm.summary is not None, "arms without scores are left out"
    return {
        "comparison": comparison.title,
        "method": arm.method,
        "seconds": arm.cost.spent.useful,
        "search_seconds": arm.cost.spent.search,
        "confirmation_seconds": arm.cost.spent.confirmation,
        "mean": 100 * arm.summary.mean,
        "low": 100 * arm.summary.low,
        "high": 100 * arm.summary.high,
    }


def _draw(rows: Sequence[Row], *, titles: Mapping[str, str], known: Mapping[str, Mark], label: str) -> Figure:
    groups = grouped(rows, "comparison")
    methods = {method: known[method] for method in grouped(rows, "method")}
    panels = facets(len(groups), titles=0.5, top=legend_height(methods))
    for axes, (title, own) in zip(panels, groups.items(), strict=True):
        for row in own:
            _draw_arm(axes, row, methods[text(row, "method")])
        _set_scale(axes, [number(row, "seconds") for row in own])
        axes.set_title(titles[title])
        axes.set_xlabel("seconds of workers' time (log)")
    for axes in panels[::2]:
        axes.set_ylabel(label)
    figure = panels[0].get_figure(root=True)
    assert figure is not None, "a panel is part of a figure"
    legend(figure, methods)
    return figure


_APART = 1.2  # as many times the seconds: labels of nearer arms would lie upon each other


def _set_scale(axes: Axes, seconds: Sequence[float]) -> None:
    """A logarithmic scale with a label at the cheapest and the dearest arm: powers of ten may lie far apart."""
    from matplotlib.ticker import FixedLocator, NullLocator

    low, high = min(seconds), max(seconds)
    axes.set_xscale("log")
    axes.set_xlim(low / (high / low) ** 0.15 / 1.2, high * (high / low) ** 0.15 * 1.2)
    axes.xaxis.set_major_locator(FixedLocator([low, high] if high / low > _APART else [(low * high) ** 0.5]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.2g}" if value < 10 else f"{value:,.0f}")


def _draw_arm(axes: Axes, row: Row, mark: Mark) -> None:
    mean = number(row, "mean")
    span = [[mean - number(row, "low")], [number(row, "high") - mean]]
    axes.errorbar(number(row, "seconds"), mean, yerr=span, color=mark.color, marker=mark.marker, elinewidth=1)
