"""A sweep's folder can be written by one driver at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sweep.errors import FolderError, LedgerError
from sweep.ledger.directory import SweepDirectory
from sweep.ledger.stored import find_stored
from tests.sweeps.grid import spec


@pytest.mark.slow
def test_the_second_driver_is_told_who_is_the_first(tmp_path: Path) -> None:
    directory = SweepDirectory(tmp_path)
    code = f"""
import sys
from pathlib import Path
from sweep.ledger.directory import SweepDirectory
with SweepDirectory(Path({str(tmp_path)!r})).locked():
    print("locked", flush=True)
    sys.stdin.read()
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    with pytest.raises(LedgerError, match=f"in use by process {process.pid} on"), directory.locked():
        pass
    process.kill()
    process.communicate()
    with directory.locked():  # the lock died with its holder
        assert str(os.getpid()) in (tmp_path / "driver.lock").read_text()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderError, match=r"must be writable.*choose another place with --dir"):
        SweepDirectory(tmp_path / "file" / "sweep").create()


def test_creating_twice_is_harmless(tmp_path: Path) -> None:
    directory = SweepDirectory(tmp_path / "a" / "b")
    directory.create()
    directory.create()
    assert list(directory.path.iterdir()) == []


def test_a_command_names_a_sweep_by_its_folder_unless_it_lies_in_the_usual_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for usual in (Path("sweeps/mine"), tmp_path / "sweeps" / "mine"):
        assert SweepDirectory(usual).called == "mine"
    for other in (Path("runs/mine"), tmp_path / "elsewhere" / "sweeps" / "mine"):
        assert SweepDirectory(other).called == str(other)


def test_a_folder_of_ones_own_is_not_taken_for_the_sweep_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`mine/spec.yaml`, with `name: mine`, is a natural place of a spec; `status mine` is of what was run of it."""
    monkeypatch.chdir(tmp_path)
    own, run = Path("mine"), SweepDirectory(Path("sweeps/mine"))
    own.mkdir()
    run.create()
    for place in (own, run.path):
        (place / "spec.yaml").write_text(yaml.safe_dump(spec(name="mine").resolved()))
    assert find_stored("mine", Path("sweeps"))[0].path == own, "neither was run, as far as one sees"
    assert SweepDirectory(own).driver() is None, "looked for, as by `stop`"
    with run.locked():
        pass
    assert find_stored("mine", Path("sweeps"))[0].path == run.path
    with SweepDirectory(own).locked():
        pass
    assert find_stored("mine", Path("sweeps"))[0].path == own, "a folder that is named comes first"
