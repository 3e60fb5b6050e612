"""The sections of a report on the verdict: differences, scores by shots, gains, inference, and published gains."""

from __future__ import annotations

from collections.abc import Mapping

from sweep.report import comparison_charts as charts
from sweep.report.cost_chart import quality_against_cost
from sweep.report.published import CAVEATS, PUBLISHED, Published
from sweep.report.rank_charts import ranks
from sweep.report.section import Section, Table
from sweep.report.style import Mark
from sweep.report.wording import interval, p_value, percent, points, probability
from sweep.verdict import Arm, Comparison, Verdict
from sweep.verdict.statistics import Summary

__all__ = ["verdict_sections"]

_OUTLOOK = (
    "Twice the labels, or twice the trials? The first is extrapolated by a power law, no further than one doubling; "
    "the second is what the last doubling of the trials brought, which the next one will hardly exceed."
)

_AXES = (
    "What another value of an axis brings each method, on the same draws. Each interval stands for itself: these "
    "differences are not tested, and of many, some lie beyond 0 by chance."
)

_FEW_DATASETS = (
    "The interval here is for these datasets. With fewer than five of them, little is known of other ones, and the "
    "interval for those is wide."
)


def verdict_sections(verdict: Verdict, known: Mapping[str, Mark], metric: str) -> tuple[Section, ...]:
    """The sections in their order; some may be empty."""
    return (
        _differences(verdict, known, metric),
        _axes(verdict, metric),
        _shots(verdict, known, metric),
        _cost(verdict, known, metric),
        _datasets(verdict, known, metric),
        _inference(verdict, known),
        _published(verdict),
    )


def _differences(verdict: Verdict, known: Mapping[str, Mark], metric: str) -> Section:
    chart = charts.differences(verdict, known, metric)
    rows = tuple(_arm_row(comparison, arm) for comparison in verdict.comparisons for arm in comparison.arms)
    heads = ("comparison", verdict.kind, "draws", "mean", "95 % interval")
    table = Table(
        title=f"Every arm in numbers: test {metric} in %, differences in points",
        columns=(*heads, "difference", "95 % interval", "p (corrected)", "best with probability", "draws needed"),
        rows=rows,
        words=2,
        folded=True,
    )
    text = (
        "All arms of a comparison were trained on the same fresh draws and scored on the same test rows, so that "
        "each difference is taken draw by draw. What a draw has in common for all of them cancels out. Intervals and "
        "tests count draws and test rows: others would have given other scores.",
    )
    return Section(
        anchor="differences",
        title="Paired differences",
        text=text if chart else (),
        charts=(chart,) if chart else (),
        tables=(table,) if any(arm.summary for comparison in verdict.comparisons for arm in comparison.arms) else (),
    )


def _axes(verdict: Verdict, metric: str) -> Section:
    rows = tuple(
        (
            each.comparison,
            each.method,
            each.base,
            str(each.difference.n),
            points(each.difference.mean),
            interval(each.difference.low, each.difference.high),
        )
        for each in verdict.axes
    )
    columns = ("comparison", "method", "compared with", "draws", "difference", "95 % interval")
    table = Table(title=f"Differences in test {metric}, in points", columns=columns, rows=rows, words=3)
    return Section(
        anchor="axes", title="The other axes", text=(_AXES,) if rows else (), tables=(table,) if rows else ()
    )


def _shots(verdict: Verdict, known: Mapping[str, Mark], metric: str) -> Section:
    chart = charts.scores_by_shots(verdict, known, metric)
    said = tuple(outlook.sentence for outlook in verdict.outlooks)
    return Section(
        anchor="shots",
        title="More labels",
        text=(_OUTLOOK,) if said else (),
        points=said,
        charts=(chart,) if chart else (),
    )


def _cost(verdict: Verdict, known: Mapping[str, Mark], metric: str) -> Section:
    chart = quality_against_cost(verdict, known, metric)
    return Section(anchor="cost", title="What it costs", charts=(chart,) if chart else ())


def _datasets(verdict: Verdict, known: Mapping[str, Mark], metric: str) -> Section:
    chart = charts.gains(verdict, known, metric)
    found = ((chart,) if chart else ()) + ranks(verdict, known)
    rows = tuple(
        (
            gain.method,
            str(gain.comparisons),
            str(gain.datasets),
            points(gain.mean),
            interval(gain.here_low, gain.here_high),
            interval(gain.low, gain.high),
            f"{points(gain.lowest)} to {points(gain.highest)}",
        )
        for gain in verdict.gains
    )
    spans = ("95 % interval here", "on other datasets", "from lowest to highest")
    columns = (verdict.kind, "comparisons", "datasets", "mean gain", *spans)
    few = all(gain.datasets < 5 for gain in verdict.gains)
    return Section(
        anchor="datasets",
        title="Over all comparisons",
        text=(_FEW_DATASETS,) if rows and few else (),
        charts=found,
        tables=(Table(title="Mean gains in points", columns=columns, rows=rows),) if rows else (),
    )


def _inference(verdict: Verdict, known: Mapping[str, Mark]) -> Section:
    chart = charts.inference(verdict, known)
    arms = [
        (comparison, arm) for comparison in verdict.comparisons for arm in comparison.arms if len(arm.inference) > 1
    ]
    rules = tuple(dict.fromkeys(rule for _, arm in arms for rule in arm.inference))
    rows = tuple(
        (
            comparison.title,
            arm.method,
            *(percent(arm.inference[rule].mean) if rule in arm.inference else "–" for rule in rules),
        )
        for comparison, arm in arms
    )
    table = Table(
        title="Mean test accuracy in %", columns=("comparison", verdict.kind, *rules), rows=rows, words=2, folded=True
    )
    return Section(
        anchor="inference",
        title="Inference with proxies",
        charts=(chart,) if chart else (),
        tables=(table,) if rows else (),
    )


def _published(verdict: Verdict) -> Section:
    here = {gain.method: f"{points(gain.mean)} ({interval(gain.here_low, gain.here_high)})" for gain in verdict.gains}
    methods = {arm.method for comparison in verdict.comparisons for arm in comparison.arms}
    rows = tuple(
        (gain.method, gain.setting, _published_gain(gain), here.get(gain.method, "–"), gain.source)
        for gain in PUBLISHED
        if gain.method in methods
    )
    if not rows:
        return Section(anchor="papers", title="What the papers report")
    baselines = dict.fromkeys(each.baseline for each in verdict.comparisons if each.baseline)
    over = f" over {' or '.join(baselines)}" if baselines else ""
    columns = ("method", "setting", "published gain", f"gain here{over} (95 % interval)", "source")
    return Section(
        anchor="papers",
        title="What the papers report",
        text=(
            f"Published gains are over cross-entropy{', those here' * bool(over)}{over}, in points. A gain here and a "
            "published one are different quantities:",
        ),
        points=CAVEATS,
        tables=(Table(title="Published averages and this sweep", columns=columns, rows=rows, words=5),),
    )


def _published_gain(gain: Published) -> str:
    span = f"{gain.low} to {gain.high}" if gain.low is not None else f"up to {gain.high}"
    return span if gain.mean is None else f"+{gain.mean} on average, {span}"


def _mean(summary: Summary) -> str:
    """The mean with its standard deviation, where there are several draws."""
    return percent(summary.mean) + (f" ({percent(summary.sd)})" if summary.n > 1 else "")


def _arm_row(comparison: Comparison, arm: Arm) -> tuple[str, ...]:
    summary, difference = arm.summary, arm.difference
    return (
        comparison.title,
        arm.method,
        str(summary.n) if summary else "0",
        _mean(summary) if summary else "–",
        interval(summary.low, summary.high, signed=False) if summary else "–",
        points(difference.mean) if difference else "–",
        interval(difference.low, difference.high) if difference else "–",
        p_value(arm.p_corrected),
        probability(arm.probability_of_best),
        str(arm.draws_needed) if arm.draws_needed else "–",
    )
