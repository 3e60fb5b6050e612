"""The table of results as in a paper, a row for each method and a column for each comparison: Markdown, LaTeX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from sweep.report.wording import MINUS, percent, points
from sweep.verdict import Comparison, Verdict

__all__ = [
    "Column",
    "Entry",
    "ResultTable",
    "result_table",
    "to_latex",
    "to_markdown",
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
    kind: what a row is of, in a word, as `method` or `encoder`.
    rows: by method, an entry for each column; None where the method has no result. The last one is the test score of
        always answering the majority class.
    baselines: the methods that others are compared with.
    notes: sentences that explain the marks.
    """

    kind: str
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
        kind=verdict.kind,
        columns=columns,
        rows=rows | (_majority(comparisons) if entries else {}),
        baselines=baselines,
        notes=_notes(entries, baselines, verdict, metric),
    )


def to_markdown(table: ResultTable) -> str:
    """The table and its notes in Markdown."""
    heads = [table.kind, *(_plain(f"{column.dataset}, {column.detail}") for column in table.columns)]
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
        f"{_latex(table.kind)} & {' & '.join(_latex(column.detail) for column in table.columns)} \\\\",
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
        even = all(map(_has_best_mean, verdict.comparisons))
        best = "the best mean" if even else f"the best, by the draws that two {verdict.kind}s share"
        notes.append(f"Test {metric} in %: mean (standard deviation) over the confirmation draws; bold: {best}.")
    if any(entry.difference for entry in entries):
        where = "" if all(map(_has_equal_draws, verdict.comparisons)) else " on the draws that both have"
        notes.append(f"Signed: the paired difference to {' or '.join(baselines)}{where}, in points.")
    if any(entry.significant for entry in entries):
        tests = f"{verdict.family} test{'s' if verdict.family != 1 else ''}"
        notes.append(f"*: the difference holds at 5 %, corrected for {tests}.")
    if any(not entry.confirmed for entry in entries):
        notes.append(f"‡: not confirmed yet; the winner's validation {metric}, which flatters.")
    return tuple(notes)


def _has_equal_draws(comparison: Comparison) -> bool:
    """Whether each difference is over all the draws of both arms, so that it is the difference of their means."""
    base = comparison.arm(comparison.baseline)
    return all(
        arm.difference.n == each.summary.n
        for arm in comparison.arms
        for each in (arm, base)
        if arm.difference is not None and each is not None and each.summary is not None
    )


def _has_best_mean(comparison: Comparison) -> bool:
    """Whether no arm has a higher mean than the best one, as one may that was tested on fewer draws."""
    best, means = comparison.best, [arm.summary.mean for arm in comparison.arms if arm.summary is not None]
    return best is None or best.summary is None or best.summary.mean >= max(means)


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
