"""The section on how far an arm's confidence can be trusted, beside the other arms; and its data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from sweep.explain.judged import Judged, judged
from sweep.explain.material import Material
from sweep.explain.reliability import CALIBRATION, DETECTION, Measured, Versus, measured, versus
from sweep.explain.reliability_charts import reliability_diagram, risk_coverage
from sweep.report.chart import Row
from sweep.report.section import Section, Table
from sweep.report.wording import MINUS, interval, points
from sweep.verdict.crossed import difference_components
from sweep.verdict.statistics import LEVEL

__all__ = ["Reliability", "reliability", "reliability_section"]

_HABIT = "cross_entropy"
_NAMES = {
    "ece": "ECE",
    "adaptive_ece": "ECE, equal mass",
    "brier": "Brier score",
    "nll": "log loss",
    "aurc": "area under risk and coverage",
    "auroc_confidence": "errors told by confidence",
    "auroc_margin": "errors told by margin",
    "auroc_nearness": "errors told by distance",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """How sure the arms of a comparison were.

    arms: those of which that is on record, by method.
    other: the arm that each is compared with: cross-entropy if it is there, else the baseline, else None.
    rows: every measure of every arm, before and after its temperature, as data.
    """

    arms: Mapping[str, Judged]
    other: str | None
    rows: tuple[Row, ...]


def reliability(material: Material) -> Reliability:
    """Measure every arm of the comparison of which it is on record how sure it was."""
    labels_T = material.data.test.labels_N
    found = {arm.method: judged(arm.confirmation, labels_T) for arm in material.comparison.arms}
    arms = {method: each for method, each in found.items() if each is not None}
    other = next((name for name in (_HABIT, material.comparison.baseline) if name in arms and len(arms) > 1), None)
    return Reliability(arms=arms, other=other, rows=tuple(_rows(arms, other)))


def reliability_section(material: Material, found: Reliability) -> Section:
    """The arm's calibration and that of the others, and how well scores tell errors."""
    own = found.arms.get(material.arm.method)
    if own is None:
        text = (
            "How sure this arm was is not on record: it was confirmed by an earlier version, or its recipe gives no "
            "probabilities. What it predicted is; see the other sections.",
        )
        return Section(anchor="reliability", title="How far to trust its confidence", text=text)
    return Section(
        anchor="reliability",
        title="How far to trust its confidence",
        text=(_sureness(material.arm.method, own), _temperature(own), _reading(found.other)),
        charts=(reliability_diagram(found.arms), risk_coverage(found.arms)),
        tables=tuple(_tables(found)),
    )


def _sureness(method: str, own: Judged) -> str:
    gap_KT = own.values["confidence"] - own.right_KT
    confidence, right, gap = (float(np.nanmean(each)) for each in (own.values["confidence"], own.right_KT, gap_KT))
    both = (
        f"its mean confidence, the probability of the class that it predicts, is {100 * confidence:.1f} %, and its "
        f"accuracy {100 * right:.1f} %"
    )
    if min(len(gap_KT), int((~np.isnan(gap_KT)).any(axis=0).sum())) < 2:
        return f"Whether {method} is too sure cannot be told from one draw or one row: {both}."
    reach = difference_components(gap_KT, graded=True).reach(LEVEL)
    unknown = "is not seen to be too sure, nor not sure enough"
    verdict = "is too sure" if gap > reach else "is not sure enough" if gap < -reach else unknown
    return (
        f"{method} {verdict}: {both}; confidence less accuracy is {points(gap)} points (95 % interval "
        f"{interval(gap - reach, gap + reach)}, over draws and rows)."
    )


def _temperature(own: Judged) -> str:
    known = [each for each in own.temperatures if each is not None]
    if len(known) < len(own.temperatures):
        return (
            "No rows told a temperature of its scores: it was confirmed by an earlier version, or its recipe does not "
            "tell the scores of rows that it leaves out. Test rows are never used for it. `refit` fits one on rows "
            "that were left out."
        )
    if own.out_of_fold:
        found = (
            f"is {median(known):.2f} on all draws, which have no validation rows of their own: it is fitted to the "
            "rows of the search's draws, each scored by a training that left it out"
        )
    else:
        found = (
            f"is {median(known):.2f} (median over {len(known)} draws; {min(known):.2f} to {max(known):.2f}), fitted to "
            "validation rows, never to test rows"
        )
    return (
        f"The temperature that its scores are divided by {found}. Above 1 it lowers confidence, below 1 it raises it; "
        "predictions stay the same. The classifier that `refit` keeps has its own, fitted to rows that trainings "
        "like it left out. Cosines, votes and margins of an SVM have no scale of their own: as probabilities they mean "
        "something only with a temperature."
    )


def _reading(other: str | None) -> str:
    paired = (
        f" Differences are those to {other}, paired by draw and row; `reliability.csv` has their p-values, each as if "
        "it were the only test: of so many, some are small by chance."
    )
    return (
        "Of calibration errors (ECE, in bins of equal width or mass), Brier score, log loss (in nats) and the area, "
        "smaller is better. A calibration error of few rows is above 0 though nothing is wrong. How well a score tells "
        "errors is the probability that a row that is classified correctly has a higher one than a row that is not: "
        "50 % is chance. Margin and distance are those to the nearest proxies or class centres."
        f"{paired if other else ''}"
    )


def _rows(arms: Mapping[str, Judged], other: str | None) -> Iterator[Row]:
    for method, own in arms.items():
        for name in (*CALIBRATION, *DETECTION):
            for tempered in (False, True) if name in CALIBRATION else (False,):
                found = measured(own, name, tempered=tempered)
                if found is not None:
                    difference = (
                        None if other in (None, method) else versus(own, arms[str(other)], name, tempered=tempered)
                    )
                    yield _row(method, name, tempered, found, other, difference)


def _row(method: str, name: str, tempered: bool, found: Measured, other: str | None, difference: Versus | None) -> Row:
    return {
        "method": method,
        "measure": name,
        "scores": "with temperature" if tempered else "as it is",
        "value": found.mean,
        "low": found.low,
        "high": found.high,
        "draws": found.draws,
        "other": other if difference else None,
        "difference": difference.mean if difference else None,
        "difference_low": difference.low if difference else None,
        "difference_high": difference.high if difference else None,
        "p_value": difference.p_value if difference else None,
    }


def _tables(found: Reliability) -> Iterator[Table]:
    for title, names in (
        ("How good the probabilities are", CALIBRATION),
        ("How well scores tell errors", DETECTION),
    ):
        own = [row for row in found.rows if row["measure"] in names]
        states = tuple(dict.fromkeys(str(row["scores"]) for row in own))
        less = () if found.other is None else (f"less {found.other}",)
        columns = ("method", "measure", *(name for state in states for name in (state, *less)))
        by_place = {(row["method"], row["measure"], row["scores"]): row for row in own}
        rows = tuple(
            (method, _NAMES[name], *_cells(name, [by_place.get((method, name, state)) for state in states], less))
            for method, name in dict.fromkeys((str(row["method"]), str(row["measure"])) for row in own)
        )
        yield Table(title=title, columns=columns, rows=rows, words=2, folded=len(rows) > 12)


def _cells(name: str, rows: Sequence[Row | None], less: tuple[str, ...]) -> Iterator[str]:
    for row in rows:
        yield _with_interval(name, row, ("value", "low", "high"), signed=False)
        for _ in less:
            yield _with_interval(name, row, ("difference", "difference_low", "difference_high"), signed=True)


def _with_interval(name: str, row: Row | None, columns: tuple[str, str, str], *, signed: bool) -> str:
    mean, low, high = (None if row is None else row[column] for column in columns)
    if low is None or high is None:
        return _shown(name, mean, signed=signed)
    ends = " to ".join(_shown(name, each, signed=signed) for each in (low, high))
    return f"{_shown(name, mean, signed=signed)} ({ends})"


def _shown(name: str, value: object, *, signed: bool) -> str:
    """Scores in their own unit with three decimals, all other measures in percent or points."""
    if value is None:
        return "–"
    assert isinstance(value, float), f"{name} is a number"
    shown = f"{abs(value):.3f}" if name in ("brier", "nll") else f"{abs(100 * value):.1f}"
    sign = MINUS if value < 0 else "+" if signed else ""
    return shown if not float(shown) else f"{sign}{shown}"
