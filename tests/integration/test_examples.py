"""The Python of the documents runs as it stands there."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.services.documents import DOCUMENTS, fences
from trainable.config import DatasetConfig
from trainable.datasets import load

pytestmark = pytest.mark.slow

ELSEWHERE = ".github/CONTRIBUTING.md"  # its package is tests/example_package: tests/integration/test_plugins.py
LONG = "FewShotClassifier(progress=True)"
SHORT = "FewShotClassifier(progress=True, trials=1, draws=2, spec={'protocol.steps': 2})"
PAGES = [page for page in DOCUMENTS if page != ELSEWHERE and any(each.language == "python" for each in fences(page))]


def test_the_pages_with_python_are_these() -> None:
    assert PAGES == ["README.md", "sweep/api/README.md", "trainable/README.md"]


@pytest.mark.parametrize("page", PAGES)
def test_python_of_a_page_runs(page: str, tmp_path: Path) -> None:
    """All blocks of a page, one after the other, where mine.csv holds 16 texts of customers, of two classes: what the
    pages say of time is not tried here."""
    rows = load(DatasetConfig(name="support"))
    with (tmp_path / "mine.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for label in (0, 1):
            own = rows.test.at(np.flatnonzero(rows.test.labels_N == label)[:8])
            writer.writerows([(text, rows.class_names[label]) for text in own.texts])
    program = "\n".join(each.text for each in fences(page) if each.language == "python")
    assert (LONG in program) == (page == "README.md")
    program = program.replace(LONG, SHORT)  # more trainings say no more of the code
    (tmp_path / "page.py").write_text(program, encoding="utf-8")
    command = [sys.executable, "-W", "error::SyntaxWarning", "page.py"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    if page != "trainable/README.md":
        assert {"classifier.json", "README.md"} <= {path.name for path in (tmp_path / "model").iterdir()}
