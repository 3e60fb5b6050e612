"""What cannot be written ends no sweep, and every other command in words."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from sweep.display.lossy_output import LossyOutput
from sweep.driver import _logged
from sweep.ledger.directory import SweepDirectory
from tests.services.waiting import TIME_LIMIT

FULL = Path("/dev/full")  # a device that takes nothing, as a full disk
needs_full = pytest.mark.skipif(not FULL.exists(), reason=f"needs {FULL}")


def test_a_reader_that_left_is_no_error() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", buffering=1) as stream:
        console = Console(file=LossyOutput(stream))  # type: ignore[arg-type]
        console.print("one")
        assert os.read(reading, 10) == b"one\n"
        os.close(reading)
        console.print("two")
        LossyOutput(stream).flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), writing)  # so that the stream can be closed


@needs_full
def test_a_log_on_a_full_disk_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "sweep.log").symlink_to(FULL)
    before = logging.raiseExceptions
    with _logged(SweepDirectory(tmp_path)):
        logging.getLogger("sweep").info("what the disk does not take")
    assert logging.raiseExceptions == before
    assert logging.getLogger("sweep").propagate


@needs_full
@pytest.mark.slow
def test_other_commands_say_that_they_cannot_be_heard() -> None:
    with FULL.open("w") as full:
        call = [sys.executable, "-m", "sweep", "schema"]
        done = subprocess.run(call, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=TIME_LIMIT)
    assert done.returncode == 2
    assert "must be able to read its files and to write what it says" in done.stderr
    assert "Traceback" not in done.stderr
