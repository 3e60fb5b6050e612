"""What a run prints when it has ended."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from sweep.cli.run_summary import print_verdict
from sweep.display.console import CommandConsole
from sweep.report import ReportFiles
from sweep.verdict import verdict
from tests.sweeps.synthetic_results import synthetic_results


@pytest.mark.lengthy
def test_all_notes_stand_between_the_verdict_and_the_directions() -> None:
    found = verdict(synthetic_results(datasets=("cr",), losses=("cross_entropy", "supcon"), draws=2, trials=1))
    page = Path("report.html")
    report = ReportFiles(verdict=found, folder=Path(), page=page, figures={}, tables=(), data=(page, page))
    written = io.StringIO()
    print_verdict(CommandConsole(written), report, notes=("cr: 4 rows dropped",))
    lines = written.getvalue().splitlines()
    assert lines[0].startswith("cr, ")
    notes = [place for place, line in enumerate(lines) if line.startswith("note: ")]
    assert len(notes) == len(found.warnings) + 1 >= 2
    assert notes == list(range(notes[0], notes[0] + len(notes)))
    assert lines[notes[-1] :] == ["note: cr: 4 rows dropped", "report     report.html"]
