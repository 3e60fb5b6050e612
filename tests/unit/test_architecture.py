"""Who may import whom, what is public, and what a driver must not load."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for package in ("sweep", "trainable") for path in (ROOT / package).rglob("*.py"))

# The floors of sweep/, lowest first. A folder imports only from lower floors, so that no two depend on each other.
FLOORS = (
    {"errors", "addresses", "hiding"},
    {"spec", "records"},
    {"search"},
    {"ledger", "verdict"},
    {"scheduling", "report", "tracking"},
    {"check", "execution", "explain", "refitting", "stored", "display"},
    {"driver", "remote"},
    {"cli", "api"},
    {"__main__", "__init__"},
)

# Where each of the large libraries may be imported; everywhere else it stays behind one of these folders.
ALLOWED = {
    "ray": ("sweep/execution/", "sweep/remote/jobs.py"),
    "optuna": ("sweep/ledger/", "sweep/search/", "sweep/report/importance.py"),
    "mlflow": ("sweep/tracking/",),
}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path) -> tuple[str, ...]:
    found: list[str] = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide who depends on whom"
            found.append(str(node.module))
    return tuple(found)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def rooms(path: Path) -> Iterator[str]:
    """The folders and files at the top of sweep/ that a module imports from."""
    return (name.split(".")[1] for name in imports(path) if name.startswith("sweep."))


def test_folders_import_only_from_lower_floors() -> None:
    mistakes = []
    for path in (path for path in MODULES if relative(path).startswith("sweep/")):
        own = relative(path).removesuffix(".py").split("/")[1]
        floor = next(number for number, names in enumerate(FLOORS) if own in names)
        if higher := set(rooms(path)) - {own}.union(*FLOORS[:floor]):
            mistakes.append(f"{relative(path)} is on floor {floor + 1} and imports {higher}")
    assert mistakes == []


@pytest.mark.lengthy
def test_large_libraries_stay_behind_their_folders() -> None:
    everywhere: tuple[str, ...] = ("",)
    mistakes = [
        f"{relative(path)} imports {name}"
        for path in MODULES
        for name in imports(path)
        if not relative(path).startswith(ALLOWED.get(name.split(".")[0], everywhere))
    ]
    assert mistakes == []


def test_trainable_never_imports_sweep() -> None:
    own = [path for path in MODULES if relative(path).startswith("trainable")]
    assert [relative(path) for path in own for name in imports(path) if name.split(".")[0] == "sweep"] == []


@pytest.mark.lengthy
def test_every_public_module_says_what_it_is_and_what_it_offers() -> None:
    assert [said for path in MODULES if path.name != "__main__.py" for said in _unsaid(path)] == []


def _unsaid(path: Path) -> Iterator[str]:
    tree = parsed(path)
    name = relative(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    if not ast.get_docstring(tree):
        yield f"{name} has no docstring"
    module = importlib.import_module(name)
    public = getattr(module, "__all__", None)
    if public is None and any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in tree.body):
        yield f"{name} has no __all__"
    yield from (
        f"{name}.__all__ names {each}, which is not there" for each in public or () if not hasattr(module, each)
    )
    if list(public or ()) != sorted(public or (), key=_isort):
        yield f"{name}.__all__ is not sorted"


def _isort(name: str) -> tuple[int, str]:
    kind = 0 if name.isupper() else 1 if name[:1].isupper() else 2
    return kind, name


@pytest.mark.slow
@pytest.mark.parametrize(
    "module",
    [
        "trainable",
        "sweep.cli.commands",
        "sweep.spec.reader",
        "sweep.spec.cells",
        "sweep.spec.reference",
        "sweep.scheduling.dispatcher",
    ],
)
def test_the_driver_starts_without_torch(module: str) -> None:
    heavy = "{'torch', 'transformers', 'ray', 'mlflow', 'datasets'}"
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
