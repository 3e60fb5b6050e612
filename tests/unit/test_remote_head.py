"""What a command on a cluster's head gives back, through the shell that would run it there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sweep.errors import ClusterError
from sweep.remote.head import CommandResult, Head

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ray exec` hands the line to bash of the head, which is that of this machine."""

    def execute(self: Head, *words: str) -> subprocess.CompletedProcess[str]:
        line = f"echo of the launcher; {words[-1]}"
        return subprocess.run(
            ["bash", "-c", line],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    monkeypatch.setattr(Head, "_ray", execute)


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize(
    ("command", "code", "output"),
    [
        ("echo one; echo two", 0, "one\ntwo"),
        ("echo wrong >&2; exit 3", 3, "wrong"),
        ("test -e /no/such/file", 1, ""),
        ("false | true", 0, ""),
    ],
)
def test_a_command_ends_with_its_own_code(
    command: str, code: int, output: str, terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    assert Head(Path("cluster.yaml")).execute(command) == CommandResult(code, output)


def test_a_head_that_does_not_answer_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Head, "_ray", lambda self, *words: subprocess.CompletedProcess(words, 255, "lost", "lost"))
    with pytest.raises(ClusterError):
        Head(Path("cluster.yaml")).execute("true")
