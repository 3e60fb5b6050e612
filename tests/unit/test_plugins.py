"""Packages whose losses and recipes cannot be used: told in words, and left out."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainable import plugins
from trainable.errors import ConfigError
from trainable.losses import LOSSES, LossEntry
from trainable.plugins import Plugin, check_plugins, load_plugins

ROOT = Path(__file__).parents[2]

ENTRY = """
from typing import Literal
from trainable.losses.entry import LossConfig, LossEntry
class Own(LossConfig):
    name: Literal["{name}"] = "{name}"
ENTRY = LossEntry(config=Own, search={{}}, build=None, paper="none", equation="none")
"""


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr(plugins, "_FOUND", {})
    monkeypatch.setattr(plugins, "_PROBLEMS", [])
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("first", "second", "broken", "other"):
        sys.modules.pop(name, None)


def install(place: Path, package: str, module: str, code: str, *names: str) -> None:
    """A package with a module and an entry point for each name, as pip leaves it."""
    (place / f"{module}.py").write_text(code, encoding="utf-8")
    folder = place / f"{package.replace('-', '_')}-1.2.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n", encoding="utf-8")
    points = "".join(f"{name} = {module}:ENTRY\n" for name in names)
    (folder / "entry_points.txt").write_text(f"[few_shot_sweep.losses]\n{points}", encoding="utf-8")
    importlib.invalidate_caches()


def loaded() -> tuple[LossEntry, ...]:
    return load_plugins("loss", LossEntry, set(LOSSES))


def test_a_loss_of_another_package_is_found(tmp_path: Path) -> None:
    install(tmp_path, "first-package", "first", ENTRY.format(name="own"), "own")
    assert [entry.name for entry in loaded()] == ["own"]
    check_plugins()
    (found,) = plugins.plugins_of("fine_tune", "own")
    assert (found.package, found.version, len(found.code)) == ("first-package", "1.2", 8)
    assert found.lacking("node7") == ""
    other = Plugin("loss", "own", "first-package", "1.3", found.code)
    assert "the loss 'own' is of the package first-package 1.3 with code" in other.lacking("node7")
    assert f"on node7 it is first-package 1.2 {found.code}" in other.lacking("node7")


@pytest.mark.parametrize(
    ("code", "names", "said"),
    [
        (
            "import not_installed",
            ["own"],
            r"cannot be imported \(ModuleNotFoundError: No module named 'not_installed'\)",
        ),
        (
            "ENTRY = 7",
            ["own"],
            "broken:ENTRY must be a LossEntry; it is int: correct it, or `pip uninstall bad-package`",
        ),
        (ENTRY.format(name="other"), ["own"], "calls itself 'other': give the entry point the same name"),
        (ENTRY.format(name="supcon"), ["supcon"], "its name is that of a loss of few-shot-sweep: give it another name"),
    ],
)
def test_what_cannot_be_used_is_told(code: str, names: list[str], said: str, tmp_path: Path) -> None:
    install(tmp_path, "bad-package", "broken", code, *names)
    assert loaded() == ()
    with pytest.raises(ConfigError, match=said):
        check_plugins()


def test_of_two_packages_with_one_name_both_are_named(tmp_path: Path) -> None:
    install(tmp_path, "a-package", "first", ENTRY.format(name="own"), "own")
    install(tmp_path, "b-package", "second", ENTRY.format(name="own"), "own")
    loaded()
    with pytest.raises(ConfigError, match=r"of the package b-package cannot be used: its name is .* of a-package"):
        check_plugins()


@pytest.mark.slow
def test_a_command_ends_in_words_with_all_of_them(tmp_path: Path) -> None:
    install(tmp_path, "bad-package", "broken", "raise RuntimeError('no\\nlicence')", "own", "another")
    words = [sys.executable, "-m", "sweep", "status", "mine"]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert (
        done.stderr.count("cannot be imported (RuntimeError: no licence): mend it, or `pip uninstall bad-package`") == 2
    )
    assert "Traceback" not in done.stderr
