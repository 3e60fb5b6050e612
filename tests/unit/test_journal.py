"""A line that is lost from a journal is missed, wherever it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sweep.errors import LedgerError
from sweep.ledger.storage import open_storage
from tests.sweeps.mixed_sweep import continued, mixed_sweep, reopened


def lines(journal: Path) -> list[bytes]:
    return journal.read_bytes().splitlines(keepends=True)


@pytest.mark.lengthy
def test_every_lost_line_but_the_last_is_missed(tmp_path: Path) -> None:
    journal = mixed_sweep(tmp_path).journal
    whole = lines(journal)
    for lost in range(len(whole) - 1):
        journal.write_bytes(b"".join([*whole[:lost], *whole[lost + 1 :]]))
        says = rf"line {lost + 1} holds record {lost + 2}, so lines before it are lost\); restore"
        for write in (False, True):
            with pytest.raises(LedgerError, match=says):
                open_storage(journal, write=write)


def test_lines_that_changed_places_are_missed(tmp_path: Path) -> None:
    journal = mixed_sweep(tmp_path).journal
    first, second, *rest = lines(journal)
    journal.write_bytes(b"".join([second, first, *rest]))
    with pytest.raises(LedgerError, match="line 1 holds record 2"):
        open_storage(journal, write=False)


def test_a_journal_of_an_earlier_version_is_continued_and_numbered_from_there(tmp_path: Path) -> None:
    """Its records bear no numbers; what is written after them does, and a line that is lost shifts those."""
    journal = mixed_sweep(tmp_path).journal
    old = [{key: value for key, value in json.loads(line).items() if key != "record"} for line in lines(journal)]
    journal.write_text("".join(json.dumps(log) + "\n" for log in old), encoding="utf-8")
    continued(reopened(tmp_path))
    added = [json.loads(line) for line in lines(journal)[len(old) :]]
    assert [log["record"] for log in added] == list(range(len(old), len(old) + len(added)))
    journal.write_bytes(b"".join(lines(journal)[1:]))
    with pytest.raises(LedgerError, match=f"line {len(old)} holds record {len(old) + 1}"):
        open_storage(journal, write=False)
