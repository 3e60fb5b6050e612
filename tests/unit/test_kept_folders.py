"""Where a classifier may be kept: a folder that is replaced as a whole, and nothing else with it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sweep.errors import FolderError
from sweep.refitting import check_folder


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("classifier.json", "classifier.py", "README.md", "model-00001-of-00002.safetensors", "merges.txt"):
        (folder / name).write_text("")
    (folder / "__pycache__").mkdir()  # of whoever imported classifier.py
    return folder


@pytest.mark.parametrize("name", ["answers.csv", ".git", "notes"])
def test_nothing_else_goes_with_a_classifier_that_is_replaced(name: str, kept: Path) -> None:
    check_folder(kept)
    (kept / name).mkdir()
    with pytest.raises(FolderError, match=f"holds {name} too: move that, or give another folder"):
        check_folder(kept)


def test_the_current_folder_is_not_replaced(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell in it would stay in the old one, which is gone."""
    (tmp_path / "empty" / "below").mkdir(parents=True)
    for current in (kept, tmp_path / "empty"):
        monkeypatch.chdir(current)
        for out in (Path(), current):
            with pytest.raises(FolderError, match="is where this runs: give another folder"):
                check_folder(out)
    monkeypatch.chdir(tmp_path / "empty" / "below")
    for out in (Path(".."), Path("/")):
        with pytest.raises(FolderError, match="is where this runs: give another folder"):
            check_folder(out)


def test_a_folder_beside_which_none_can_be_made_is_refused_before_anything_is_trained(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda place, mode: Path(place) != kept.parent)
    for out in (kept, kept.parent / "new" / "model"):
        with pytest.raises(FolderError, match=f"{kept.parent} may not be written: give another folder"):
            check_folder(out)
