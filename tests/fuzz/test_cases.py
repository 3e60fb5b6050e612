"""What the fuzz targets once found, and a seed for each format, replayed at every test run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz import senteval, spec

CASES = Path(__file__).parent / "cases"


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("case", sorted((CASES / "spec").iterdir()), ids=lambda path: path.name)
def test_a_spec(case: Path) -> None:
    spec.check(case.read_bytes())


@pytest.mark.parametrize("case", sorted((CASES / "senteval").iterdir()), ids=lambda path: path.name)
def test_a_senteval_folder(case: Path) -> None:
    senteval.check(case.read_bytes())
