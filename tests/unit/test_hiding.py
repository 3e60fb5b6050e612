"""Files of the user that would be imported in the place of a library are named; others are left in peace."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from sweep.hiding import hidden_modules
from sweep.scheduling.assignment import Assignment
from trainable.config import DatasetConfig, TrialConfig

ROOT = Path(__file__).parents[2]
LIBRARIES = [entry for entry in sys.path if Path(entry).name == "site-packages"]


def written(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("raise SystemExit('the file of the user was imported')\n")
    return folder


@pytest.mark.parametrize(
    ("file", "hides"),
    [
        ("sweep.py", "the module sweep of this project"),
        ("sweep/__init__.py", "the module sweep of this project"),
        ("trainable.py", "the module trainable of this project"),
        ("torch.py", "the library torch"),
        ("datasets.py", "the library datasets"),
        ("ray.py", "the library ray"),
        ("mlflow/__init__.py", "the library mlflow"),
        ("six.py", "the library six"),  # that of a library's library
        ("yaml.cpython-311-x86_64-linux-gnu.so", "the library yaml"),
        ("statistics.py", "Python's own module statistics"),
    ],
)
def test_a_file_before_what_it_hides_is_named(file: str, hides: str, tmp_path: Path) -> None:
    written(tmp_path, file)
    hidden = hidden_modules([str(tmp_path), *LIBRARIES])
    assert f"{tmp_path / file.removesuffix('/__init__.py')} hides {hides};" in hidden
    assert "few-shot-sweep" in hidden
    assert hidden_modules([*LIBRARIES, str(tmp_path)]) == ""


def test_all_of_them_are_named_at_once(tmp_path: Path) -> None:
    first, second = written(tmp_path / "a", "ray.py", "torch.py"), written(tmp_path / "b", "datasets.py")
    hidden = hidden_modules([str(first), str(second), *LIBRARIES])
    assert all(name in hidden for name in ("ray.py hides", "torch.py hides", "datasets.py hides"))


def test_the_working_folder_may_be_an_empty_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(written(tmp_path, "ray.py"))
    assert "hides the library ray" in hidden_modules(["", *LIBRARIES])


def test_what_hides_nothing_is_left_in_peace(tmp_path: Path) -> None:
    """Folders of data, with a library's name, and modules of the user's own."""
    written(tmp_path, "datasets/films.csv", "sweep/notes.txt", "mine.py", "torch.txt", "my_package/__init__.py")
    assert hidden_modules([str(tmp_path), str(tmp_path / "missing"), str(ROOT), *LIBRARIES]) == ""
    assert hidden_modules() == ""


def started(command: list[str], folder: Path, *path: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_a_command_ends_with_the_files_names_before_it_imports_them(tmp_path: Path) -> None:
    done = started(["-m", "sweep", "status", "x"], written(tmp_path, "yaml.py", "datasets.py"), ROOT)
    assert (done.returncode, done.stdout) == (2, "")
    assert "yaml.py hides the library yaml" in done.stderr
    assert "datasets.py hides the library datasets" in done.stderr


@pytest.mark.slow
def test_the_console_command_does_not_look_into_the_working_folder(tmp_path: Path) -> None:
    """As the script of an environment does it: its own folder comes first."""
    folder, scripts = written(tmp_path / "work", "sweep.py", "yaml.py"), tmp_path / "bin"
    scripts.mkdir()
    (scripts / "few-shot-sweep").write_text("from sweep.__main__ import start\nstart()\n")
    done = started([str(scripts / "few-shot-sweep"), "schema"], folder, ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("{")


@pytest.mark.lengthy
def test_a_worker_refuses_to_train_beside_such_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its machine may have files that the driver's has not."""
    from sweep.execution.trial_inputs import TrialInputs
    from sweep.execution.worker import Worker

    monkeypatch.syspath_prepend(str(written(tmp_path, "datasets.py")))
    config = TrialConfig(dataset=DatasetConfig(name="support"), shots=4, encoder="tiny")
    worker = Worker.__new__(Worker)
    inputs = TrialInputs("", {}, {})
    worker.setup({"assignment": Assignment(record="a#0", config=config).to_json(), "time_limit": 60}, inputs)
    evaluation = json.loads(worker.step()["evaluation"])
    worker.cleanup()
    assert evaluation["outcome"] == "failed"
    assert f"on {platform.node()}, Python must import this project" in evaluation["reason"]
    assert f"{tmp_path / 'datasets.py'} hides the library datasets" in evaluation["reason"]
