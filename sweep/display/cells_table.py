"""The table at the end of a sweep, and of `status`: what each cell found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from rich.console import Console
from rich.table import Table

from sweep.display.formats import configuration, counted
from sweep.display.narrow import fitted
from sweep.records.results import SweepResults
from sweep.records.searches import is_given_up
from sweep.records.trial import TrialRecord, outcomes
from sweep.spec.cells import cells
from sweep.spec.model import SweepSpec
from sweep.verdict.arms import cell_records
from trainable.outcomes import Outcome

__all__ = ["best_trial", "print_cells"]


def print_cells(console: Console, results: SweepResults, order: Sequence[str]) -> None:
    """One row a cell, in the given order: how its trials ended, its best score with its configuration and, where its
    winner is confirmed, the mean test score, as the verdict has it."""
    sweep, records = results.sweep, results.trials
    tested = _test_scores(results)
    table = Table(
        title=f"{sweep.name}: {sweep.state}", title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0)
    )
    test = ["test score"] if tested else []
    for name in ("cell", "trials", "best score", *test, "best configuration"):
        scores = name.endswith("score")
        table.add_column(name, justify="right" if scores else "left", no_wrap=scores or name == "cell")
    for key in order:
        own = [record for record in records if record.cell == key]
        best = best_trial(own)
        counts = ", ".join(f"{count} {name}" for name, count in sorted(outcomes(own).items()))
        score = f"{best.score:.3f}" if best is not None and best.score is not None else "-"
        confirmed = [tested.get(key, "-")] if tested else []
        table.add_row(key, counts, score, *confirmed, configuration(best.params) if best else "-")
    console.print(fitted(table, console))
    for line in _given_up(results, order):
        console.print(line, markup=False, soft_wrap=True)


def _given_up(results: SweepResults, order: Sequence[str]) -> Iterator[str]:
    """A sentence for each cell whose trials kept failing."""
    failures = results.sweep.spec.get("budget", {}).get("failures")
    for key in order:
        own = [record for record in results.trials if record.cell == key]
        if failures and is_given_up(own, failures):
            last = max((each for each in own if each.outcome is Outcome.FAILED), key=lambda each: each.number)
            yield (
                f"{key} was given up after {failures} failures in a row, the last of them: {last.reason} "
                "(traceback: failure.txt in MLflow; to try again, mend the cause and raise budget.failures)"
            )


def _test_scores(results: SweepResults) -> dict[str, str]:
    """By cell, `0.472 (8 draws)` of the confirmation that the verdict counts; a replicate that diverged is among them,
    as one that always answers the majority class, and one that failed is not."""
    spec, found = SweepSpec.recorded(results.sweep.spec), {}
    for cell in cells(spec):
        known = cell_records(results, cell, spec.confirm)
        draws = [known.score(each) for each in known.evaluations if not each.initialisation]
        scores = [score for score in draws if score is not None]
        if known.confirmation is not None:
            found[cell.key] = f"{fmean(scores):.3f} ({counted(len(scores), 'draw')})" if scores else "-"
    return found


def best_trial(records: Sequence[TrialRecord]) -> TrialRecord | None:
    """The completed trial with the best score, the earlier one among equals.

    Pruned trials do not compete: their scores average fewer draws.
    """
    completed = [record for record in records if record.outcome is Outcome.COMPLETED]
    return max(completed, key=lambda record: (record.score or 0.0, -record.number), default=None)
