"""Holds the promise of `make test-fast`: in its suites, a test that starts a process bears the marker `slow`.

A plugin of pytest. It looks at what Python itself reports of the process, so that it does not matter who starts what.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest

__all__ = ["pytest_runtest_setup", "pytest_runtest_teardown"]

_FAST = ("tests/unit/", "tests/contract/", "tests/oracle/")
_EVENTS = frozenset({"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system"})
_OF_IMPORTS = ("uname", "fc-list")  # MLflow asks for the processor; matplotlib for fonts, the first time on a machine
_started: list[str] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    named = arguments[1] if len(arguments) > 1 else arguments
    if event in _EVENTS and not (isinstance(named, list) and named[0] in _OF_IMPORTS):
        _started.append(f"{event}: {named}")


sys.addaudithook(_audit)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Forget what earlier tests started."""
    _started.clear()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Fail a test without the marker that started something, its fixtures included."""
    if not item.nodeid.startswith(_FAST):
        return
    if _started and item.get_closest_marker("slow") is None:
        pytest.fail(f"a test that starts processes bears @pytest.mark.slow; this one started {_started}", pytrace=False)
