"""Figures of comparisons: differences, scores by shots, gains over all comparisons, and rules of inference.

Scores are in percent and differences in points, in the rows as in the figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from sweep.report.chart import Chart, Row, beginning, changed, grouped, number, text
from sweep.report.labels import method_labels, named
from sweep.report.style import GRID, MUTED, PANEL, PAPER, Mark, facets, legend, legend_height, new_figure, title_line
from sweep.verdict import Arm, Comparison, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["differences", "gains", "inference", "scores_by_shots"]

Marks = Mapping[str, Mark]

_MOST_LINES, _MOST_PANELS = 160, 80  # that a figure shows

_RULES = {"head": "o", "nearest": "s", "neighbours": "D", "mixture": "^"}


def differences(verdict: Verdict, known: Marks, metric: str) -> Chart | None:
    """The paired difference of each arm to its baseline, with its interval; None without differences."""
    rows: tuple[Row, ...] = tuple(
        {
            "comparison": comparison.title,
            "method": arm.method,
            "baseline": comparison.baseline,
            "draws": arm.difference.n,
            "difference": 100 * arm.difference.mean,
            "low": 100 * arm.difference.low,
            "high": 100 * arm.difference.high,
            "p_corrected": arm.p_corrected,
            "significant": "yes" if arm.significant else "no",
        }
        for comparison in verdict.comparisons
        for arm in comparison.arms
        if arm.difference is not None
    )
    if not rows:
        return None
    shown, left_out = beginning(rows, "comparison", _MOST_LINES, ("method",))
    titles = _titles(shown)
    return Chart(
        name="differences",
        title="Paired differences to the baseline",
        caption="Mean difference over the common draws, and its 95 % interval. Filled: the difference holds "
        "at 5 %, corrected for all tests of the sweep. Right of the line: better than the baseline."
        f"{left_out}",
        rows=rows,
        draw=partial(_draw_differences, titles=titles, known=known, label=f"difference in test {metric} (points)"),
        names=changed(titles),
        shown=shown,
    )


def scores_by_shots(verdict: Verdict, known: Marks, metric: str) -> Chart | None:
    """The mean test score of each method by number of labels; None unless several numbers were compared."""
    rows = [_score_row(comparison, arm) for comparison in verdict.comparisons for arm in comparison.arms if arm.summary]
    several = {title for title, own in grouped(rows, "data").items() if len({row["labels"] for row in own}) > 1}
    chosen = tuple(row for row in rows if row["data"] in several)
    if not chosen:
        return None
    shown, left_out = beginning(chosen, "data", _MOST_PANELS, ())
    titles = named(grouped(shown, "data"), "data", PANEL, bold=True, lines=2)
    return Chart(
        name="scores-by-shots",
        title="Scores against the number of labels",
        caption=f"Mean over the confirmation draws with its 95 % interval, on test rows.{left_out}",
        rows=chosen,
        draw=partial(_draw_scores, titles=titles, known=known, label=f"test {metric} (%)"),
        names=changed(titles),
        shown=shown,
    )


def gains(verdict: Verdict, known: Marks, metric: str) -> Chart | None:
    """The mean difference of each method over all comparisons; None for a single comparison."""
    rows: tuple[Row, ...] = tuple(
        {
            "method": gain.method,
            "comparisons": gain.comparisons,
            "datasets": gain.datasets,
            "gain": 100 * gain.mean,
            "low": 100 * gain.low,
            "high": 100 * gain.high,
            "here_low": 100 * gain.here_low,
            "here_high": 100 * gain.here_high,
            "lowest": 100 * gain.lowest,
            "highest": 100 * gain.highest,
        }
        for gain in verdict.gains
    )
    if not rows:
        return None
    return Chart(
        name="gains",
        title="Gains over all comparisons",
        caption="95 % intervals of the mean gain: thick on these datasets, thin on others like them. Grey ticks: "
        "the lowest and the highest gain of a comparison.",
        rows=rows,
        draw=partial(_draw_gains, known=known, label=f"mean gain in test {metric} (points)"),
    )


def inference(verdict: Verdict, known: Marks) -> Chart | None:
    """The test accuracy of each arm by rule of inference; None unless an arm has more than one rule."""
    rows: tuple[Row, ...] = tuple(
        {
            "comparison": comparison.title,
            "method": arm.method,
            "rule": rule,
            "draws": summary.n,
            "accuracy": 100 * summary.mean,
            "low": 100 * summary.low,
            "high": 100 * summary.high,
        }
        for comparison in verdict.comparisons
        for arm in comparison.arms
        if len(arm.inference) > 1
        for rule, summary in arm.inference.items()
    )
    if not rows:
        return None
    shown, left_out = beginning(rows, "comparison", _MOST_LINES, ("method",))
    titles = _titles(shown)
    return Chart(
        name="inference",
        title="Rules of inference",
        caption="Mean test accuracy of the same trained encoders by four rules, with 95 % intervals: the "
        "classification head, the nearest class (by proxies or class means), the nearest neighbours among the "
        f"training rows, and the mixture of head and nearest class.{_without_diverged(verdict)}{left_out}",
        rows=rows,
        draw=partial(_draw_inference, titles=titles, known=known),
        names=changed(titles),
        shown=shown,
    )


def _without_diverged(verdict: Verdict) -> str:
    """That these means are of other draws than the test scores are, where a training diverged."""
    diverged = any(arm.failures.diverged for comparison in verdict.comparisons for arm in comparison.arms)
    return " Draws on which a training diverged have none, and are left out." if diverged else ""


def _titles(rows: Sequence[Row]) -> Mapping[str, str]:
    return named(grouped(rows, "comparison"), "comparison", 5.0, 8.5, bold=True)


def _score_row(comparison: Comparison, arm: Arm) -> Row:
    assert arm.summary is not None
    return {
        "data": ", ".join(filter(None, (comparison.dataset, comparison.others))),
        "shots": comparison.shots,
        "labels": comparison.per_unit,
        "counted": comparison.counted,
        "method": arm.method,
        "draws": arm.summary.n,
        "mean": 100 * arm.summary.mean,
        "low": 100 * arm.summary.low,
        "high": 100 * arm.summary.high,
    }


def _draw_differences(rows: Sequence[Row], *, titles: Mapping[str, str], known: Marks, label: str) -> Figure:
    groups = grouped(rows, "comparison")
    axes = _listing(groups, titles)
    axes.axvline(0, color=MUTED, linewidth=1)
    for place, row in _lines(groups):
        mark = known[text(row, "method")]
        axes.plot([number(row, "low"), number(row, "high")], [place, place], color=mark.color, linewidth=2)
        face = mark.color if row["significant"] == "yes" else PAPER
        axes.plot(
            number(row, "difference"), place, mark.marker, color=mark.color, markerfacecolor=face, markeredgewidth=1.6
        )
    axes.set_xlabel(label)
    return _figure(axes)


def _draw_inference(rows: Sequence[Row], *, titles: Mapping[str, str], known: Marks) -> Figure:
    from matplotlib.lines import Line2D

    groups = {
        title: list({row["method"]: row for row in own}.values()) for title, own in grouped(rows, "comparison").items()
    }
    axes = _listing(groups, titles, line=0.4)
    places = {(row["comparison"], row["method"]): place for place, row in _lines(groups)}
    for row in rows:
        rule, color = text(row, "rule"), known[text(row, "method")].color
        place = places[row["comparison"], row["method"]] + 0.19 * (list(_RULES).index(rule) - 1.5)
        axes.plot([number(row, "low"), number(row, "high")], [place, place], color=color, linewidth=1)
        face = color if rule == "head" else PAPER
        axes.plot(number(row, "accuracy"), place, _RULES[rule], color=color, markerfacecolor=face, markersize=4.5)
    axes.set_xlabel("test accuracy (%)")
    faces = {rule: MUTED if rule == "head" else PAPER for rule in _RULES}
    handles = [
        Line2D([], [], color=MUTED, marker=marker, linestyle="", label=rule, markerfacecolor=faces[rule])
        for rule, marker in _RULES.items()
    ]
    _figure(axes).legend(handles=handles, loc="outside upper right", ncols=4, fontsize=8)
    return _figure(axes)


def _draw_scores(rows: Sequence[Row], *, titles: Mapping[str, str], known: Marks, label: str) -> Figure:
    from matplotlib.ticker import FixedLocator, NullLocator

    groups = grouped(rows, "data")
    methods = {method: known[method] for method in grouped(rows, "method")}
    panels = facets(len(groups), titles=0.5, top=legend_height(methods))
    for axes, (title, own) in zip(panels, groups.items(), strict=True):
        for place, (method, line) in enumerate(grouped(own, "method").items()):
            points = sorted(line, key=lambda row: number(row, "labels"))
            # Side by side, so that intervals at the same number of labels can be read.
            shots = [number(row, "labels") * 1.2 ** ((place + 0.5) / len(methods) - 0.5) for row in points]
            means = [number(row, "mean") for row in points]
            spans = [
                [mean - number(row, "low") for mean, row in zip(means, points, strict=True)],
                [number(row, "high") - mean for mean, row in zip(means, points, strict=True)],
            ]
            axes.errorbar(
                shots, means, yerr=spans, color=methods[method].color, marker=methods[method].marker, elinewidth=1
            )
        values = sorted({number(row, "labels") for row in own})
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(values))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_title(titles[title])
        axes.set_xlabel(f"labels {text(own[0], 'counted')} (log)")
    for axes in panels[::2]:
        axes.set_ylabel(label)
    legend(_figure(panels[0]), methods)
    return _figure(panels[0])


def _draw_gains(rows: Sequence[Row], *, known: Marks, label: str) -> Figure:
    figure = new_figure(7.0, 0.7 + 0.3 * len(rows))
    axes = figure.subplots()
    axes.axvline(0, color=MUTED, linewidth=1)
    for place, row in enumerate(rows):
        mark = known[text(row, "method")]
        axes.plot([number(row, "lowest"), number(row, "highest")], [place, place], "|", color=MUTED, markersize=11)
        axes.plot([number(row, "low"), number(row, "high")], [place, place], color=mark.color, linewidth=1.2)
        axes.plot([number(row, "here_low"), number(row, "here_high")], [place, place], color=mark.color, linewidth=3.5)
        axes.plot(number(row, "gain"), place, mark.marker, color=mark.color, markersize=7)
    axes.set_yticks(range(len(rows)), method_labels([text(row, "method") for row in rows]))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(label)
    return figure


# ---- lists of methods under the titles of their comparisons ----------------------------------------------------------


def _listing(groups: Mapping[str, Sequence[Row]], titles: Mapping[str, str], line: float = 0.25) -> Axes:
    """An empty panel with one line for each row, the rows of a group under a line with its title."""
    count = len(groups) + sum(map(len, groups.values()))
    axes = new_figure(7.0, 0.75 + line * count).subplots()
    axes.set_ylim(count - 0.4, -0.7)
    places = list(_lines(groups))
    labels = method_labels([text(row, "method") for _, row in places])
    axes.set_yticks([place for place, _ in places], labels)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    place = 0
    for title, own in groups.items():
        if place:
            axes.axhline(place - 0.5, color=GRID, linewidth=0.7)
        title_line(axes, place, titles[title])
        place += len(own) + 1
    return axes


def _lines(groups: Mapping[str, Sequence[Row]]) -> list[tuple[int, Row]]:
    """Each row with the number of its line."""
    found: list[tuple[int, Row]] = []
    place = 0
    for own in groups.values():
        found += [(place + 1 + offset, row) for offset, row in enumerate(own)]
        place += len(own) + 1
    return found


def _figure(axes: Axes) -> Figure:
    figure = axes.get_figure(root=True)
    assert figure is not None
    return figure
