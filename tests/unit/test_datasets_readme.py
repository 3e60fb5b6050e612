"""What is read of files as people have them, and with which words others are refused: the data sets' README says both.

After a change of wording, write its tables anew with UPDATE_GOLDEN=1, and read the difference.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from tests.unit.data_file_cases import CASES, Case
from trainable import DatasetConfig
from trainable.datasets import TextData, load
from trainable.errors import DataError

README = Path(__file__).parents[2] / "trainable" / "datasets" / "README.md"
FIRST = "<!-- rendered from tests/unit/data_file_cases.py -->\n"


def outcome(case: Case, folder: Path) -> tuple[TextData | None, str]:
    """What is read, if anything, and the words about it, without the folder."""
    for name, content in case.files.items():
        (folder / name).write_bytes(content)
    first, *others = (str(folder / name) for name in case.files)
    fields = {"name": "mine", "path": first, "test_path": others[0] if others else None, **case.fields}
    try:
        data = load.__wrapped__(DatasetConfig.model_validate(fields))
    except DataError as error:
        return None, str(error).replace(f"{folder}/", "")
    notes = [note.replace(f"{folder}/", "") for note in data.notes if not note.startswith("no test part")]
    return data, "\n".join(notes)


def line(case: Case, data: TextData | None, words: str) -> str:
    """The row of the table."""
    spans = "<br>".join(f"`` {each} ``" if "`" in each else f"`{each}`" for each in words.splitlines())
    return f"| {case.what} | {'refused' if data is None else 'read'} | {spans.replace('|', chr(92) + '|')} |"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_a_file_is_read_rightly_or_refused_in_the_words_of_the_readme(case: Case, tmp_path: Path) -> None:
    data, words = outcome(case, tmp_path)
    assert (data is None) == (case.rows is None), words
    if data is not None and case.rows is not None:
        read = [
            (text, data.class_names[label])
            for rows in (data.pool, data.test)
            for text, label in zip(rows.texts, rows.labels_N, strict=True)
        ]
        assert sorted(read) == sorted(case.rows)
    assert line(case, data, words) in README.read_text(encoding="utf-8").splitlines()


def test_the_readme_has_these_rows_and_no_others(tmp_path: Path) -> None:
    introduction, _, rendered = README.read_text(encoding="utf-8").partition(FIRST)
    tables = "\n".join(sections(tmp_path))
    if os.environ.get("UPDATE_GOLDEN"):
        README.write_text(f"{introduction}{FIRST}{tables}", encoding="utf-8")
        return
    assert rendered == tables, "if the new words are better, write them down with UPDATE_GOLDEN=1"


def sections(folder: Path) -> Iterator[str]:
    for number, (section, cases) in enumerate(groupby(CASES, key=lambda case: case.section)):
        yield f"\n## {section}\n\n| file | outcome | words |\n|---|---|---|"
        for position, case in enumerate(cases):
            own = folder / f"{number}-{position}"
            own.mkdir()
            yield line(case, *outcome(case, own))
    yield ""
