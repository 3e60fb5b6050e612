"""Figures of the search: the scores of trials in order, the trials that passed each rung, and importances of fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from sweep.records.results import SweepResults
from sweep.records.trial import TrialRecord
from sweep.report.chart import Chart, Row, beginning, changed, grouped, number, text
from sweep.report.importance import FEW_TRIALS, importances
from sweep.report.labels import named
from sweep.report.rungs import CellRungs
from sweep.report.style import PANEL, PAPER, Mark, as_pixels, facets, legend, legend_height, new_figure, title_line
from sweep.verdict import Arm, Verdict
from trainable.outcomes import Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["history", "importance", "survival"]

Marks = Mapping[str, Mark]

_MOST_PANELS = 80  # that a figure shows


def history(results: SweepResults, verdict: Verdict, known: Marks, metric: str) -> Chart | None:
    """The score of each trial in order, and the best completed one so far, by comparison; None without trials."""
    rows: tuple[Row, ...] = tuple(
        row
        for comparison in verdict.comparisons
        for arm in comparison.arms
        for row in _history_rows(comparison.title, arm, results.trials)
    )
    if not rows:
        return None
    shown, left_out = beginning(rows, "comparison", _MOST_PANELS, ())
    titles = named(grouped(shown, "comparison"), "comparison", PANEL, bold=True, lines=2)
    return Chart(
        name="history",
        title="The search, trial by trial",
        caption="Validation scores, which flatter. Filled: completed; hollow: pruned or still running, on fewer draws; "
        "a cross at the lower edge: diverged or failed without a score. Line: the best completed trial so far."
        f"{left_out}",
        rows=rows,
        draw=partial(_draw_history, titles=titles, known=known, label=f"validation {metric} (%)"),
        names=changed(titles),
        shown=shown,
    )


def survival(rungs: Sequence[CellRungs], known: Marks) -> Chart | None:
    """The share of each method's trials that passed each rung; None if no rung stopped any trial."""
    rows: tuple[Row, ...] = tuple(
        {
            "cell": cell.cell,
            "method": cell.method,
            "trials": cell.trials,
            "rung": rung.rung,
            "reached": rung.reached,
            "stopped": rung.stopped,
            "passed": rung.passed,
            "tau": rung.tau,
        }
        for cell in rungs
        for rung in cell.rungs
    )
    if not any(row["stopped"] for row in rows):
        return None
    return Chart(
        name="survival",
        title="Trials that passed each rung",
        caption="Share of all trials of a method that continued after each rung. Trials that diverged or failed are "
        "missing from the rung after which they did.",
        rows=rows,
        draw=partial(_draw_survival, known=known),
    )


def importance(results: SweepResults, known: Marks) -> Chart | None:
    """The importance of the searched fields, by method; None with too few scored trials."""
    rows: tuple[Row, ...] = tuple(
        {"method": found.method, "trials": found.trials, "field": field, "importance": share}
        for found in importances(results.trials)
        for field, share in found.shares.items()
    )
    if not rows:
        return None
    few = sorted({text(row, "method") for row in rows if number(row, "trials") < FEW_TRIALS})
    note = f" With fewer than {FEW_TRIALS} trials this is no more than a hint ({', '.join(few)})." if few else ""
    return Chart(
        name="importance",
        title="Which fields matter",
        caption="Share of importance by PED-ANOVA, from all trials of a method that have a score, each relative to the "
        f"mean of its cell.{note}",
        rows=rows,
        draw=partial(_draw_importance, known=known),
    )


# ---- rows ------------------------------------------------------------------------------------------------------------


def _history_rows(title: str, arm: Arm, trials: Sequence[TrialRecord]) -> list[Row]:
    rows: list[Row] = []
    best: float | None = None
    own = (trial for trial in trials if trial.cell == arm.cell)
    for trial in sorted(own, key=lambda trial: trial.number):
        if trial.outcome is Outcome.COMPLETED and trial.score is not None:
            best = trial.score if best is None else max(best, trial.score)
        rows.append(
            {
                "comparison": title,
                "method": arm.method,
                "trial": trial.number,
                "outcome": str(trial.outcome or "running"),
                "score": None if trial.score is None else 100 * trial.score,
                "best": None if best is None else 100 * best,
            }
        )
    return rows


# ---- drawing ---------------------------------------------------------------------------------------------------------


def _draw_history(rows: Sequence[Row], *, titles: Mapping[str, str], known: Marks, label: str) -> Figure:
    from matplotlib.ticker import MaxNLocator

    groups = grouped(rows, "comparison")
    methods = {method: mark for method, mark in known.items() if any(row["method"] == method for row in rows)}
    panels, pixels = facets(len(groups), titles=0.5, top=legend_height(methods)), as_pixels(len(rows))
    for axes, (title, own) in zip(panels, groups.items(), strict=True):
        for place, (method, trials) in enumerate(grouped(own, "method").items()):
            # Side by side, so that trials of the same number do not hide each other.
            _draw_trials(axes, trials, methods[method], 0.5 * (place + 0.5) / len(methods) - 0.25, pixels=pixels)
        axes.set_title(titles[title])
        axes.set_xlabel("trial")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))  # no wider than the room beside it
    for axes in panels[::2]:
        axes.set_ylabel(label)
    figure = panels[0].get_figure(root=True)
    assert figure is not None
    legend(figure, methods)
    return figure


def _draw_trials(axes: Axes, trials: Sequence[Row], mark: Mark, aside: float, *, pixels: bool) -> None:
    numbers = [number(row, "trial") + aside for row in trials]
    axes.plot(numbers, [number(row, "best") for row in trials], color=mark.color, drawstyle="steps-post", linewidth=1.2)
    completed: list[tuple[float, float]] = []
    others: list[tuple[float, float]] = []
    lost: list[float] = []
    for row, place in zip(trials, numbers, strict=True):
        if row["score"] is None:
            lost += [place] if row["outcome"] in ("diverged", "failed") else []
        else:
            (completed if row["outcome"] == "completed" else others).append((place, number(row, "score")))
    # One artist for all that look alike: an artist for each trial takes minutes to draw a large search.
    axes.plot(lost, [0.03] * len(lost), "x", color=mark.color, markersize=5, transform=axes.get_xaxis_transform())
    for face, points in ((PAPER, others), (mark.color, completed)):
        places, scores = zip(*points, strict=True) if points else ((), ())
        (drawn,) = axes.plot(places, scores, mark.marker, color=mark.color, markerfacecolor=face, markersize=4)
        drawn.set_rasterized(pixels)


def _draw_survival(rows: Sequence[Row], *, known: Marks) -> Figure:
    figure = new_figure(7.0, 3.0)
    axes = figure.subplots()
    for method, own in sorted(grouped(rows, "method").items(), key=lambda item: list(known).index(item[0])):
        trials = sum({row["cell"]: number(row, "trials") for row in own}.values())
        places = sorted({number(row, "rung") for row in own})
        passed = [sum(number(row, "passed") for row in own if row["rung"] == place) / trials for place in places]
        mark = known[method]
        axes.plot(
            [0, *places], [100, *(100 * share for share in passed)], color=mark.color, marker=mark.marker, label=method
        )
    axes.set_xticks([0, *sorted({number(row, "rung") for row in rows})])
    axes.set_ylim(0, 105)
    axes.set_xlabel("rung (number of evaluations)")
    axes.set_ylabel("trials that continued (%)")
    figure.legend(loc="outside right upper", fontsize=8)
    return figure


def _draw_importance(rows: Sequence[Row], *, known: Marks) -> Figure:
    groups = grouped(rows, "method")
    count = len(groups) + len(rows)
    figure = new_figure(7.0, 0.75 + 0.23 * count)
    axes = figure.subplots()
    place, ticks = 0, []
    for method, own in groups.items():
        title = f"{method}  ({own[0]['trials']} trials)"
        title_line(axes, place, title)
        for offset, row in enumerate(own, start=place + 1):
            axes.barh(offset, 100 * number(row, "importance"), height=0.65, color=known[method].color)
            ticks.append((offset, text(row, "field")))
        place += len(own) + 1
    axes.set_yticks([offset for offset, _ in ticks], [name for _, name in ticks])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(count - 0.4, -0.7)
    axes.set_xlim(0, 100)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("share of importance (%)")
    return figure
