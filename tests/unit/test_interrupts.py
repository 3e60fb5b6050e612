"""Signals end a command as KeyboardInterrupt, wherever they find it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import NoReturn

import pytest

from sweep.cli.interrupts import interruptible
from tests.services.waiting import TIME_LIMIT

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Collected:
    """Something that is destroyed at the very moment a signal arrives."""

    def __init__(self, number: signal.Signals) -> None:
        self._number = number

    def __del__(self) -> None:
        signal.raise_signal(self._number)


def struck(strike: Callable[[signal.Signals], object], number: signal.Signals) -> NoReturn:
    with interruptible():
        strike(number)
        time.sleep(20)
    pytest.fail("the signal was lost")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_interrupts(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt):
        struck(signal.raise_signal, number)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_a_destructor_takes_interrupts_what_runs_after_it(
    number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        struck(Collected, number)
    assert time.monotonic() - began < 10
    assert capfd.readouterr() == ("", "")


def test_other_errors_of_a_destructor_are_told_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        def __del__(self) -> None:
            raise ValueError("of the destructor")

    told: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: told.append(str(unraisable.exc_value)))
    with interruptible():
        Failing()
    assert told == ["of the destructor"]


def test_everything_is_as_before_at_the_end() -> None:
    before = [signal.getsignal(number) for number in SIGNALS], sys.unraisablehook
    with interruptible():
        assert [signal.getsignal(number) for number in SIGNALS] == [signal.default_int_handler] * 2
    assert ([signal.getsignal(number) for number in SIGNALS], sys.unraisablehook) == before


@pytest.mark.slow
def test_a_job_that_was_told_to_ignore_ctrl_c_takes_it() -> None:
    program = (
        "import os, signal, time\n"
        "from sweep.cli.interrupts import interruptible\n"
        "with interruptible():\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(20)\n"
    )
    command = ["sh", "-c", 'trap "" INT; exec "$0" -c "$1"', sys.executable, program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT, check=False)
    assert done.stderr.endswith("KeyboardInterrupt\n")
