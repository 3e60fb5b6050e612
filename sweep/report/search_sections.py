"""The sections of a report on the search: equal treatment, trials and rungs, confused classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from operator import add

from sweep.records.results import SweepResults
from sweep.report import cell_charts, search_charts
from sweep.report.making_section import making_section
from sweep.report.parallel_chart import parallel
from sweep.report.rungs import CellRungs, cell_rungs
from sweep.report.section import Section, Table
from sweep.report.style import Mark
from sweep.report.wording import configuration, percent, share
from sweep.verdict import Arm, Cost, Verdict
from sweep.verdict.numbers import duration
from trainable.recipes.predictions import Predictions

__all__ = ["search_sections"]


def search_sections(
    results: SweepResults, verdict: Verdict, known: Mapping[str, Mark], metric: str
) -> tuple[Section, ...]:
    """The sections in their order; some may be empty."""
    return (
        _treatment(verdict, metric),
        _search(results, verdict, known, metric),
        _confusion(results, verdict),
        making_section(results),
    )


# ---- equal treatment -------------------------------------------------------------------------------------------------


def _treatment(verdict: Verdict, metric: str) -> Section:
    arms = cell_charts.cell_arms(verdict)
    charts = (cell_charts.outcomes(verdict), cell_charts.spread(verdict, metric))
    wrong = [arm for arm in arms if arm.failures.diverged or arm.failures.failed or arm.failures.majority]
    failures = Table(
        title="Confirmations that went wrong",
        columns=(
            "cell",
            "replicates",
            "diverged",
            "failed",
            "no better than the majority class",
            "share",
            "fails to train in % of draws (95 % interval)",
        ),
        rows=tuple(map(_failure_row, wrong)),
    )
    return Section(
        anchor="treatment",
        title="Equal treatment",
        text=(
            "Every cell has the same budget of trials. A diverged confirmation counts as one that always answers the "
            "majority class; one that failed for want of memory or by an error says nothing of the method and is left "
            "out.",
        ),
        charts=tuple(chart for chart in charts if chart),
        tables=(_cost_table(arms), *((failures,) if wrong else ())),
    )


def _cost_table(arms: Sequence[Arm]) -> Table:
    """The costs of each cell, with a column of discarded work if there is any, and one of costs elsewhere."""
    discarded = any(arm.cost.discarded for arm in arms)
    elsewhere = {arm.cell: stated for arm in arms if (stated := _stated(arm))}
    return Table(
        title="What each cell cost",
        columns=("cell", "trials", "replicates begun", "of possible", "work saved", "search", "confirmation")
        + (("discarded, of replicates",) if discarded else ())
        + (("elsewhere, as stated",) if elsewhere else ()),
        rows=tuple(
            _cost_row(name, cost)
            + ((_discarded(cost),) if discarded else ())
            + ((elsewhere.get(name, "-"),) if elsewhere else ())
            for name, cost in _costs(arms)
        ),
        folded=len(arms) > 12,
    )


def _stated(arm: Arm) -> str:
    """What predictions from elsewhere cost, as the spec says: `0.84 USD, 95 s`."""
    recipe = arm.winner.config.recipe if arm.winner is not None else None
    if not isinstance(recipe, Predictions):
        return ""
    usd = None if recipe.cost is None else f"{recipe.cost:g} USD"
    seconds = None if recipe.seconds is None else duration(recipe.seconds)
    return ", ".join(filter(None, (usd, seconds)))


def _costs(arms: Sequence[Arm]) -> Iterator[tuple[str, Cost]]:
    """The cost of each cell and, if there are several, of all together."""
    costs = [arm.cost for arm in arms]
    yield from ((arm.cell, arm.cost) for arm in arms)
    if len(costs) > 1:
        yield "all", reduce(add, costs)


def _cost_row(name: str, cost: Cost) -> tuple[str, ...]:
    return (
        name,
        str(sum(cost.trials.values())),
        str(cost.replicates),
        str(cost.possible_replicates),
        share(cost.saved),
        duration(cost.spent.search),
        duration(cost.spent.confirmation),
    )


def _discarded(cost: Cost) -> str:
    """Discarded work as `95 s of 3 (2 %)`: its time, the number of interrupted replicates, its share of all time."""
    if not cost.discarded:
        return "-"
    part = cost.spent.discarded / (cost.spent.total or 1.0)
    return f"{duration(cost.spent.discarded)} of {cost.discarded} ({share(part)})"


def _failure_row(arm: Arm) -> tuple[str, ...]:
    found = arm.failures
    counts = (found.replicates, found.diverged, found.failed, found.majority)
    return (arm.cell, *map(str, counts), share(found.rate), _collapse_rate(arm))


def _collapse_rate(arm: Arm) -> str:
    rate = arm.collapses
    if rate is None:
        return "–"
    return f"{100 * rate.rate:.0f} ({100 * rate.low:.0f} to {100 * rate.high:.0f})"


# ---- the search ------------------------------------------------------------------------------------------------------


def _search(results: SweepResults, verdict: Verdict, known: Mapping[str, Mark], metric: str) -> Section:
    rungs = cell_rungs(results, verdict)
    charts = (
        search_charts.history(results, verdict, known, metric),
        search_charts.survival(rungs, known),
        search_charts.importance(results, known),
        parallel(results, known),
    )
    arms = [arm for arm in cell_charts.cell_arms(verdict) if arm.winner is not None]
    winners = Table(
        title=f"Winners of the search, with their validation {metric} in %",
        columns=("cell", "configuration", "trial", "score"),
        rows=tuple(_winner_row(arm) for arm in arms),
        words=2,
        folded=len(arms) > 12,
    )
    misleading = sum(cell.predictive is False for cell in rungs)
    return Section(
        anchor="search",
        title="The search",
        text=_misleading_rungs(misleading, len(rungs)),
        charts=tuple(chart for chart in charts if chart),
        tables=(*((winners,) if arms else ()), *((_rung_table(rungs),) if rungs else ())),
    )


def _misleading_rungs(misleading: int, cells: int) -> tuple[str, ...]:
    if not misleading:
        return ()
    return (
        f"In {misleading} of {cells} cells an early rung hardly agreed with the final order of the trials that "
        "continued, so that pruning there was close to chance; the table of rungs names them.",
    )


def _winner_row(arm: Arm) -> tuple[str, ...]:
    assert arm.winner is not None
    score = arm.selection_score if arm.selection_score is not None else arm.winner.score
    return (arm.cell, configuration(arm.winner.params) or "defaults", str(arm.winner.number), percent(score))


def _rung_table(rungs: Sequence[CellRungs]) -> Table:
    rows = tuple(
        (cell.cell, str(rung.rung), str(rung.reached), str(rung.stopped), str(rung.passed), _tau(rung.tau))
        for cell in rungs
        for rung in cell.rungs
    )
    return Table(
        title="Rungs: trials that reached each, and Kendall's tau with the later quality of those that completed",
        columns=("cell", "evaluations", "reached", "stopped", "continued", "tau"),
        rows=rows,
        folded=True,
    )


def _tau(tau: float | None) -> str:
    return "–" if tau is None else f"{tau:.2f}".replace("-", "\N{MINUS SIGN}")


# ---- confusion -------------------------------------------------------------------------------------------------------


def _confusion(results: SweepResults, verdict: Verdict) -> Section:
    chart = cell_charts.confusion(results, verdict)
    return Section(anchor="confusion", title="Which classes are confused", charts=(chart,) if chart else ())
