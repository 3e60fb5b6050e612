"""The winners of a sweep are kept at its end, also where a process was killed before it had kept all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sweep import driver
from sweep.errors import FolderError
from sweep.ledger.directory import SweepDirectory
from sweep.refitting import here, write_folder
from sweep.scheduling.ending import End
from tests.sweeps.grid import spec

WINNERS = ("support-4-supcon", "support-8-supcon")

Conclude = Callable[..., list[str]]


@pytest.fixture
def directory(tmp_path: Path) -> SweepDirectory:
    made = SweepDirectory(tmp_path / "small")
    made.create()
    return made


@pytest.fixture
def conclude(directory: SweepDirectory, monkeypatch: pytest.MonkeyPatch) -> Conclude:
    """Ends a run, and gives the winners that it has trained once more."""

    def run(*, trained: bool, killed_after: int | None = None) -> list[str]:
        kept: list[str] = []

        def keep_winners(directory: SweepDirectory, **_: Any) -> tuple[str, ...]:
            for number, name in enumerate(WINNERS):
                if number == killed_after:
                    raise KeyboardInterrupt
                (directory.classifiers / name).mkdir(parents=True, exist_ok=True)
                (directory.classifiers / name / "classifier.json").touch()
                kept.append(name)
            return ()

        monkeypatch.setattr(driver, "keep_winners", keep_winners)
        monkeypatch.setattr(driver._Conclusion, "_report", lambda self: None)
        unused: Any = None
        display: Any = SimpleNamespace(told=lambda said: None)
        if trained:
            directory.expect_winners()
        conclusion = driver._Conclusion(spec(refit=True, confirm={"draws": 2}), unused, directory, unused, display)
        try:
            conclusion.drawn(End.FINISHED, here, trained=trained)
        except KeyboardInterrupt:
            assert killed_after is not None
        return kept

    return run


def test_winners_are_kept_once(conclude: Conclude, directory: SweepDirectory) -> None:
    assert conclude(trained=True) == [*WINNERS]
    assert conclude(trained=False) == []
    assert [path.name for path in directory.kept()] == [*WINNERS]


@pytest.mark.parametrize("killed_after", [0, 1])
def test_the_run_after_a_killed_one_keeps_them(conclude: Conclude, killed_after: int) -> None:
    assert len(conclude(trained=True, killed_after=killed_after)) == killed_after
    assert conclude(trained=False) == [*WINNERS]
    assert conclude(trained=False) == []


def test_those_of_an_earlier_verdict_are_replaced_after_a_killed_run(conclude: Conclude) -> None:
    assert conclude(trained=True) == [*WINNERS]
    assert conclude(trained=True, killed_after=0) == []
    assert conclude(trained=False) == [*WINNERS]


def test_the_classifier_that_was_there_outlives_a_kill_and_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, rename = tmp_path / "model", Path.rename

    def fill(scratch: Path) -> None:
        scratch.mkdir()
        (scratch / "weights").touch()

    def fill_a_full_disk(scratch: Path) -> None:
        raise OSError(28, "No space left on device")

    def killed(path: Path, target: Path) -> None:
        if target == out:
            raise KeyboardInterrupt
        rename(path, target)

    write_folder(fill, out)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            write_folder(fill, out)
    assert not out.exists()
    with pytest.raises(FolderError, match="No space left"):
        write_folder(fill_a_full_disk, out)
    assert [path.name for path in out.iterdir()] == ["weights"]


def test_a_folder_that_was_being_written_is_no_kept_winner(directory: SweepDirectory) -> None:
    for name in (".support-4-supcon.new", ".support-4-supcon.old"):
        (directory.classifiers / name).mkdir(parents=True)
        (directory.classifiers / name / "classifier.json").touch()
    assert directory.kept() == ()
