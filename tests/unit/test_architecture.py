"""Who may import whom, what is public, and what a driver must not load."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    path for package in ("sweep", "trainable") for path in (ROOT / package).rglob("*.py") if path.name != "__main__.py"
)

# Where each of the large libraries may be imported; everywhere else it stays behind one of these modules.
ALLOWED = {
    "ray": {
        "sweep/execution/ray_cluster.py",
        "sweep/execution/tune_adapters.py",
        "sweep/remote/jobs.py",
        "sweep/run.py",
        "sweep/execution/trial_inputs.py",
        "sweep/execution/worker.py",
    },
    "optuna": {
        "sweep/ledger/confirmations.py",
        "sweep/ledger/postgres.py",
        "sweep/ledger/export_format.py",
        "sweep/ledger/journal.py",
        "sweep/ledger/ledger.py",
        "sweep/search/pruning.py",
        "sweep/ledger/trials.py",
        "sweep/report/importance.py",
        "sweep/search/sampler.py",
        "sweep/ledger/storage.py",
        "sweep/ledger/transfer.py",
    },
    "mlflow": {"sweep/tracking.py", "sweep/tracking/"},
}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide who depends on whom"
            yield str(node.module)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_large_libraries_stay_behind_their_modules(path: Path) -> None:
    for name in imports(path):
        allowed = ALLOWED.get(name.split(".")[0])
        if allowed is not None:
            assert any(relative(path).startswith(place) for place in allowed), f"{relative(path)} imports {name}"


@pytest.mark.parametrize("path", [path for path in MODULES if relative(path).startswith("trainable")], ids=relative)
def test_trainable_never_imports_sweep(path: Path) -> None:
    assert not [name for name in imports(path) if name.split(".")[0] == "sweep"]


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_every_public_module_says_what_it_is_and_what_it_offers(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), f"{relative(path)} has no docstring"
    name = relative(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    module = importlib.import_module(name)
    public = getattr(module, "__all__", None)
    if any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in tree.body):
        assert public is not None, f"{name} has no __all__"
    for each in public or ():
        assert hasattr(module, each), f"{name}.__all__ names {each}, which is not there"
    assert list(public or ()) == sorted(public or (), key=_isort), f"{name}.__all__ is not sorted"


def _isort(name: str) -> tuple[int, str]:
    kind = 0 if name.isupper() else 1 if name[:1].isupper() else 2
    return kind, name


@pytest.mark.parametrize(
    "module",
    ["trainable", "sweep.cli.commands", "sweep.spec.reader", "sweep.spec.cells", "sweep.scheduling.dispatcher"],
)
def test_the_driver_starts_without_torch(module: str) -> None:
    heavy = "{'torch', 'transformers', 'ray', 'mlflow', 'datasets'}"
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
