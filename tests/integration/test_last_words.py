"""A driver that is ended from outside, and so cannot say anything itself."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil  # type: ignore[import-untyped]
import pytest

from tests.integration.test_sweep import User, reports, user, wait_for
from tests.services.waiting import TIME_LIMIT
from trainable.outcomes import Outcome

__all__ = ["user"]


PROGRAM = """
import os, sys
from sweep.cli.last_words import last_words

with last_words("these are the words"):
    {statement}
"""


@pytest.mark.parametrize(
    ("statement", "code", "words"),
    [
        ("pass", 0, False),
        ("sys.exit(2)", 2, False),
        ("1 / 0", 1, False),
        ("os._exit(1)", 1, True),
        ("os.kill(os.getpid(), 9)", -9, True),
    ],
)
def test_the_words_are_said_if_nothing_else_can_be(statement: str, code: int, words: bool) -> None:
    program = PROGRAM.format(statement=statement)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=TIME_LIMIT
    )
    assert done.returncode == code
    assert ("these are the words" in done.stderr) is words
    assert done.stdout == ""


@pytest.mark.parametrize("name", ["gcs_server", "raylet"])
def test_a_sweep_whose_ray_dies_ends_soon_in_words_and_is_resumed(user: User, name: str) -> None:
    process = user.start("run", "spec.yaml")
    wait_for(lambda: reports(user) >= 3, process)
    before = {trial.key: trial for trial in user.trials}
    (victim,) = (child for child in psutil.Process(process.pid).children(recursive=True) if child.name() == name)
    struck = time.monotonic()
    victim.kill()
    output, errors = process.communicate(timeout=TIME_LIMIT)
    assert process.returncode != 0, output + errors
    assert time.monotonic() - struck < 60
    assert "the same command resumes" in errors
    assert "Traceback" not in output + errors
    user.run()
    assert {trial.outcome for trial in user.trials} == {Outcome.COMPLETED}
    after = {trial.key: trial for trial in user.trials}
    for key, trial in before.items():
        assert after[key].evaluations[: len(trial.evaluations)] == trial.evaluations


def test_it_leaves_no_process() -> None:
    before = {process.pid for process in psutil.process_iter()}
    subprocess.run([sys.executable, "-c", PROGRAM.format(statement="pass")], check=True, timeout=TIME_LIMIT)
    shells = [process for process in psutil.process_iter(["name"]) if process.info["name"] == "sh"]
    assert not [
        process for process in shells if process.pid not in before and "IFS= read" in " ".join(process.cmdline())
    ]
