"""Suites stand alone: what two of them share lies in tests/services or tests/sweeps."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SHARED = {"services", "sweeps"}
SUITES = sorted(folder.name for folder in TESTS.iterdir() if (folder / "__init__.py").exists())


def imported(path: Path) -> Iterator[str]:
    """The folders of tests/ that a module imports from."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            package, _, rest = name.partition(".")
            if package == "tests":
                assert rest, f"{path}: import the module itself, so that it is seen whose it is"
                yield rest.split(".")[0]


@pytest.mark.parametrize("suite", SUITES)
def test_a_suite_imports_only_itself_and_what_all_share(suite: str) -> None:
    for path in (TESTS / suite).rglob("*.py"):
        others = set(imported(path)) - SHARED - {suite}
        assert not others, f"{path.relative_to(TESTS)} imports from tests/{', tests/'.join(sorted(others))}"


def test_what_all_share_is_there() -> None:
    assert set(SUITES) >= SHARED
    assert set(imported(TESTS / "conftest.py")) <= SHARED
