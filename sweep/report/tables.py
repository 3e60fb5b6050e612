"""The table of results as in a paper, a row for each method and a column for each comparison: Markdown, LaTeX, CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from sweep.records.results import SweepResults
from sweep.report.chart import Row, csv_text
from sweep.report.wording import MINUS, percent, points
from sweep.verdict import Arm, Comparison, Verdict

__all__ = [
    "Column",
    "Entry",
    "ResultTable",
    "arm_rows",
    "draw_rows",
    "result_table",
    "to_csv",
    "to_latex",
    "to_markdown",
    "trial_rows",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The entry of an arm, as texts; empty where there is no value.

    mean, sd: in percent.
    difference: to the baseline, in points.
    significant: True if the difference is.
    worse: True if the difference is below 0.
    best: True for the arm with the best mean of the comparison.
    confirmed: False if the mean is the winner's validation score, since there is no test score yet.
    """

    mean: str
    sd: str
    difference: str
    significant: bool
    worse: bool
    best: bool
    confirmed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """The header of a comparison's column.

    dataset: the first line.
    detail: the second line, such as `8 labels per class`.
    """

    dataset: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultTable:
    """The table of results.

    columns: the comparisons, those of one dataset side by side.
    rows: by method, an entry for each column; None where the method has no result. The last one is the test score of
        always answering the majority class.
    baselines: the methods that others are compared with.
    notes: sentences that explain the marks.
    """

    columns: tuple[Column, ...]
    rows: Mapping[str, tuple[Entry | None, ...]]
    baselines: tuple[str, ...]
    notes: tuple[str, ...]


def result_table(verdict: Verdict, metric: str) -> ResultTable:
    """The table of a verdict."""
    order = list(dict.fromkeys(comparison.dataset for comparison in verdict.comparisons))
    comparisons = sorted(verdict.comparisons, key=lambda comparison: order.index(comparison.dataset))
    baselines = tuple(dict.fromkeys(comparison.baseline for comparison in comparisons if comparison.baseline))
    found = dict.fromkeys(arm.method for comparison in comparisons for arm in comparison.arms)
    methods = sorted(
        found, key=lambda method: method not in baselines
    )  # the baselines first, the others as in the spec
    rows = {method: tuple(_entry(comparison, method) for comparison in comparisons) for method in methods}
    columns = tuple(Column(dataset=comparison.dataset, detail=comparison.subtitle) for comparison in comparisons)
    entries = [entry for row in rows.values() for entry in row if entry is not None]
    return ResultTable(
        columns=columns,
        rows=rows | (_majority(comparisons) if entries else {}),
        baselines=baselines,
        notes=_notes(entries, baselines, verdict, metric),
    )


def to_markdown(table: ResultTable) -> str:
    """The table and its notes in Markdown."""
    heads = ["method", *(_plain(f"{column.dataset}, {column.detail}") for column in table.columns)]
    lines = [_pipes(heads), _pipes(["---", *["---:"] * len(table.columns)])]
    for method, entries in table.rows.items():
        name = _plain(f"{method} (baseline)" if method in table.baselines else method)
        lines.append(_pipes([name, *map(_markdown, entries)]))
    return "\n".join([*lines, "", *table.notes]) + "\n"


def to_latex(table: ResultTable) -> str:
    """The table in LaTeX, for booktabs, with its notes as a caption."""
    heads = [
        f"\\multicolumn{{{len(list(columns))}}}{{c}}{{{_latex(dataset)}}}"
        for dataset, columns in groupby(table.columns, key=lambda column: column.dataset)
    ]
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}",
        "\\centering",
        f"\\begin{{tabular}}{{l{'r' * len(table.columns)}}}",
        "\\toprule",
        f" & {' & '.join(heads)} \\\\",
        f"method & {' & '.join(_latex(column.detail) for column in table.columns)} \\\\",
        "\\midrule",
        *(
            f"{_latex(method)} & {' & '.join(map(_latex_entry, entries))} \\\\"
            for method, entries in table.rows.items()
        ),
        "\\bottomrule",
        "\\end{tabular}",
        f"\\caption{{{_latex(' '.join(table.notes))}}}",
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def to_csv(verdict: Verdict) -> str:
    """A row for each arm with every number of the verdict; scores and differences are shares from 0 to 1."""
    return csv_text(arm_rows(verdict))


def arm_rows(verdict: Verdict) -> list[Row]:
    """A row for each arm with every number of the verdict; scores and differences are shares from 0 to 1."""
    return [_arm_row(comparison, arm) for comparison in verdict.comparisons for arm in comparison.arms]


def draw_rows(verdict: Verdict) -> list[Row]:
    """A row for each arm and confirmation draw, with the test score; None where it failed or is missing."""
    return [
        {
            "dataset": comparison.dataset,
            "shots": comparison.shots,
            "others": comparison.others,
            "method": arm.method,
            "draw": draw,
            "score": score,
        }
        for comparison in verdict.comparisons
        for arm in comparison.arms
        for draw, score in zip(comparison.draws, arm.scores, strict=False)
    ]


def trial_rows(results: SweepResults) -> list[Row]:
    """A row for each trial: where it stands, how it ended, its validation score, and what the search chose."""
    return [
        {
            "cell": trial.cell,
            "trial": trial.number,
            "outcome": str(trial.outcome) if trial.outcome is not None else "running",
            "score": trial.score,
            "replicates": len(trial.replicate_scores),
            "seconds": trial.useful_seconds,
            "reason": trial.reason,
            **trial.params,
        }
        for trial in results.trials
    ]


def _majority(comparisons: Sequence[Comparison]) -> dict[str, tuple[Entry | None, ...]]:
    """The row of always answering the most frequent class, below which nothing is worth its training."""
    if all(comparison.majority is None for comparison in comparisons):
        return {}
    return {"majority class": tuple(_majority_entry(comparison.majority) for comparison in comparisons)}


def _majority_entry(score: float | None) -> Entry | None:
    if score is None:
        return None
    return Entry(mean=percent(score), sd="", difference="", significant=False, worse=False, best=False, confirmed=True)


# ---- entries ---------------------------------------------------------------------------------------------------------


def _entry(comparison: Comparison, method: str) -> Entry | None:
    arm = comparison.arm(method)
    if arm is None or (arm.summary is None and arm.selection_score is None):
        return None
    return Entry(
        mean=percent(arm.summary.mean if arm.summary else arm.selection_score),
        sd=percent(arm.summary.sd) if arm.summary and arm.summary.n > 1 else "",
        difference=points(arm.difference.mean) if arm.difference else "",
        significant=arm.significant,
        worse=arm.difference is not None and arm.difference.mean < 0,
        best=comparison.best is not None and comparison.best.method == method and arm.summary is not None,
        confirmed=arm.summary is not None,
    )


def _notes(entries: Sequence[Entry], baselines: Sequence[str], verdict: Verdict, metric: str) -> tuple[str, ...]:
    notes = []
    if any(entry.confirmed for entry in entries):
        notes.append(f"Test {metric} in %: mean (standard deviation) over the confirmation draws; bold: the best mean.")
    if any(entry.difference for entry in entries):
        notes.append(f"Signed: the paired difference to {' or '.join(baselines)}, in points.")
    if any(entry.significant for entry in entries):
        tests = f"{verdict.family} test{'s' if verdict.family != 1 else ''}"
        notes.append(f"*: the difference holds at 5 %, corrected for {tests}.")
    if any(not entry.confirmed for entry in entries):
        notes.append(f"‡: not confirmed yet; the winner's validation {metric}, which flatters.")
    return tuple(notes)


# ---- forms -----------------------------------------------------------------------------------------------------------


_MARKDOWN = str.maketrans({"<": "&lt;", ">": "&gt;", "&": "&amp;", **{letter: f"\\{letter}" for letter in "\\`[]!|"}})
"""The characters by which a name could become markup, a link or a further cell; others are harmless."""


def _plain(text: str) -> str:
    return " ".join(text.translate(_MARKDOWN).split())


def _pipes(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown(entry: Entry | None) -> str:
    if entry is None:
        return "–"
    mean = f"**{entry.mean}**" if entry.best else entry.mean
    difference = f"{entry.difference}{'*' * entry.significant}".replace("*", "\\*") if entry.difference else ""
    return " ".join(filter(None, (mean + "‡" * (not entry.confirmed), f"({entry.sd})" if entry.sd else "", difference)))


def _latex_entry(entry: Entry | None) -> str:
    if entry is None:
        return "--"
    mean = f"\\textbf{{{entry.mean}}}" if entry.best else entry.mean
    mark = "" if entry.confirmed else "$^{\\ddagger}$"
    signed = entry.difference.replace(MINUS, "-")
    difference = f"${signed}{'^{*}' * entry.significant}$" if signed else ""
    return " ".join(filter(None, (mean + mark, f"({entry.sd})" if entry.sd else "", difference)))


_LATEX = str.maketrans(
    {
        **{letter: f"\\{letter}" for letter in "&%$#_{}"},
        "\\": "\\textbackslash{}",
        "~": "\\textasciitilde{}",
        "^": "\\textasciicircum{}",
        "‡": "$\\ddagger$",
        "<": "\\textless{}",
        ">": "\\textgreater{}",
    }
)


def _latex(text: str) -> str:
    return " ".join(text.translate(_LATEX).split())


def _arm_row(comparison: Comparison, arm: Arm) -> Row:
    summary, difference, collapses = arm.summary, arm.difference, arm.collapses
    return {
        "dataset": comparison.dataset,
        "shots": comparison.shots,
        "sampling": comparison.sampling,
        "others": comparison.others,
        "method": arm.method,
        "baseline": comparison.baseline,
        "trial": arm.winner.number if arm.winner else None,
        "draws": summary.n if summary else 0,
        "mean": summary.mean if summary else None,
        "sd": summary.sd if summary else None,
        "low": summary.low if summary else None,
        "high": summary.high if summary else None,
        "difference": difference.mean if difference else None,
        "difference_low": difference.low if difference else None,
        "difference_high": difference.high if difference else None,
        "p_value": difference.p_value if difference else None,
        "p_corrected": arm.p_corrected,
        "significant": "yes" if arm.significant else "no",
        "p_equivalent": arm.p_equivalent,
        "equivalent": "yes" if arm.equivalent else "no",
        "probability_of_best": arm.probability_of_best,
        "draws_needed": arm.draws_needed,
        "rows_needed": arm.rows_needed,
        "ended": arm.course.ended if arm.course else None,
        "collapsed": collapses.collapsed if collapses else None,
        "collapse_low": collapses.low if collapses else None,
        "collapse_high": collapses.high if collapses else None,
        "p_collapses": arm.p_collapses,
        "trained_lead": arm.trained_lead.mean if arm.trained_lead else None,
        "selection_score": arm.selection_score,
    }
