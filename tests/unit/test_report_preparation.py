"""What a report is made with is loaded while a driver waits, in a process of its own, and never gets in its way."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sweep.report.preparation import report_prepared


@pytest.mark.slow
def test_what_a_report_loads_late_is_there_at_the_end_of_the_context() -> None:
    code = (
        "import sys\n"
        "from sweep.report.preparation import report_prepared\n"
        "loaded = lambda: sorted({'matplotlib.figure', 'scipy.stats', 'matplotlib.pyplot'} & set(sys.modules))\n"
        "print(loaded())\n"
        "with report_prepared(lambda: True): pass\n"
        "print(loaded())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "['matplotlib.figure', 'scipy.stats']"]
    assert done.stderr == ""


def test_what_cannot_be_loaded_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with report_prepared(lambda: True):
        pass
    assert capsys.readouterr().err == ""


def test_an_interrupt_passes() -> None:
    with pytest.raises(KeyboardInterrupt), report_prepared(lambda: False):
        raise KeyboardInterrupt
