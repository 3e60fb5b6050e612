"""What came of a sweep, as values: the verdict, tables, the files of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.ledger.stored import find_stored, open_ledger
from sweep.records.results import SweepResults
from sweep.report.rows import DRAW_COLUMNS, TRIAL_COLUMNS, arm_rows, draw_rows, trial_rows
from sweep.report.tables import result_table, to_markdown
from sweep.report.wording import metric_name
from sweep.verdict import Verdict, sentences, verdict

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]

__all__ = ["Result", "read", "result_in"]

_TEXTS = {"dataset", "others", "method", "baseline", "ended", "cell", "outcome", "reason"}  # columns of no numbers


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Result:
    """What came of a sweep, or of the part of it that is on record.

    folder: the sweep's folder.
    verdict: which method beats the baseline, by how much, and how sure that is.
    records: every trial, evaluation and confirmation.
    notes: what a person should know of the run, beside the verdict's own warnings.
    """

    folder: Path
    verdict: Verdict
    records: SweepResults
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the sweep."""
        return self.records.sweep.name

    @property
    def state(self) -> str:
        """`finished`; `interrupted`, as by a used-up budget: the same call resumes it; `failed`, where no trial has a
        score; or `running`."""
        return str(self.records.sweep.state)

    @property
    def methods(self) -> pd.DataFrame:
        """A row for each method of each comparison: mean test score with its interval, difference to the baseline with
        its interval and corrected p-value, and so on; scores and differences are shares from 0 to 1."""
        return _frame(arm_rows(self.verdict))

    @property
    def draws(self) -> pd.DataFrame:
        """A row for each method and draw of the confirmation: the test score."""
        return _frame(draw_rows(self.verdict), DRAW_COLUMNS)

    @property
    def trials(self) -> pd.DataFrame:
        """A row for each trial: its cell, outcome and validation score, then the values that the search chose."""
        return _frame(trial_rows(self.records), TRIAL_COLUMNS)

    @property
    def report(self) -> Path | None:
        """The report's page; None before the sweep has ended for the first time."""
        page = self.folder / "report" / "report.html"
        return page if page.is_file() else None

    @property
    def figures(self) -> Mapping[str, Path]:
        """The pictures of the report by name."""
        return {path.stem: path for path in sorted((self.folder / "report" / "figures").glob("*.png"))}

    def __str__(self) -> str:
        notes = [f"note: {note}" for note in (*self.notes, *self.verdict.warnings)]
        return "\n".join(
            [f"{self.name} ({self.state})", *sentences(self.verdict), *notes, f"report: {self.report or 'none yet'}"]
        )

    def __repr__(self) -> str:
        return f"<Result of {self.name} ({self.state}) in {self.folder}>"

    def _repr_markdown_(self) -> str:
        """What a notebook shows."""
        table = to_markdown(result_table(self.verdict, metric_name(self.records)))
        return "\n\n".join([*sentences(self.verdict), table])


def read(sweep: str | Path, *, root: str | Path = "sweeps") -> Result:
    """What is on record of a sweep, finished, interrupted or running.

    sweep: its name, or its folder.
    root: the folder that holds the sweeps.

    Raises SweepError for one that is not there or cannot be read.
    """
    directory, spec = find_stored(str(sweep), Path(root))
    ledger = open_ledger(spec, directory, write=False)
    ledger.read()
    return result_in(directory.path, ledger.results())


def result_in(folder: Path, records: SweepResults, notes: tuple[str, ...] = ()) -> Result:
    """The result of these records."""
    return Result(folder=folder, verdict=verdict(records), records=records, notes=notes)


def _frame(rows: Sequence[Mapping[str, object]], columns: Sequence[str] = ()) -> pd.DataFrame:
    """A table of these rows. columns: those that it has without any row too. A column of numbers stays one where none
    of them is known yet."""
    import pandas as pd  # imported late: it takes most of a second

    frame = pd.DataFrame([dict(row) for row in rows], columns=None if rows else list(columns))
    unknown = [name for name in frame.columns if name not in _TEXTS and frame[name].isna().all()]
    return frame.astype(dict.fromkeys(unknown, float))
