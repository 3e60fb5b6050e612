"""A journal is whole after every kill, every full disk and every lost page, and says so where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from optuna.storages import BaseStorage

from sweep.errors import LedgerError
from sweep.ledger.storage import exclusive, open_storage
from tests.services.disk_full import disk_full
from tests.sweeps.storage_content import all_studies, fill


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "ledger.journal"


def test_what_is_cut_off_is_kept(journal: Path) -> None:
    fill(open_storage(journal, write=True))
    with journal.open("ab") as file:
        file.write(b'{"op_code":2,"wor')
    fill_more(open_storage(journal, write=True))
    (torn,) = journal.parent.glob("ledger.journal.torn-*")
    assert torn.read_bytes() == b'{"op_code":2,"wor'
    assert open_storage(journal, write=False).get_study_user_attrs(0)["ended"] == 1


def fill_more(storage: BaseStorage) -> None:
    storage.set_study_user_attr(0, "ended", 1)


def test_a_torn_record_is_cut_off_although_there_is_no_room_to_keep_it(journal: Path) -> None:
    fill(open_storage(journal, write=True))
    written = journal.read_bytes()
    with journal.open("ab") as file:
        file.write(b'{"op_code":2,"user_attr":"' + 100 * b"x")
    with disk_full(50):
        storage = open_storage(journal, write=True)
    assert journal.read_bytes() == written
    fill_more(storage)
    assert storage.get_study_user_attrs(0)["ended"] == 1


def test_a_last_record_that_lost_a_page_is_cut_off(journal: Path) -> None:
    fill(open_storage(journal, write=True))
    whole = journal.read_bytes()
    with journal.open("ab") as file:
        file.write(4096 * b"\0" + b'"worker_id":"x"}\n')
    storage = open_storage(journal, write=True)
    assert journal.read_bytes() == whole
    fill_more(storage)
    assert all_studies(open_storage(journal, write=False)) == all_studies(storage)


@pytest.mark.parametrize(
    "line",
    [
        b"garbage",
        b"\xff\xfe\xff",
        b"\0\0\0",
        b"",
        b"17",
        b"[]",
        b"{}",
        b'{"op_code":99}',
        b'{"op_code":0}',
        b'{"op_code":4,"study_id":0,"worker_id":"x","datetime_start":5}',
        b'{"op_code":5,"trial_id":0,"worker_id":"x","param_name":"x","param_value_internal":1,"distribution":"{}"}',
        100_000 * b"[" + 100_000 * b"]",
    ],
    ids=lambda line: line[:20],
)
@pytest.mark.parametrize("write", [True, False])
def test_a_damaged_record_in_the_middle_is_refused(journal: Path, line: bytes, write: bool) -> None:
    fill(open_storage(journal, write=True))
    first, *rest = journal.read_bytes().splitlines(keepends=True)
    damaged = b"".join([first, rest[0], rest[1], line + b"\n", *rest[2:]])
    journal.write_bytes(damaged)
    with pytest.raises(LedgerError, match="must be a readable Optuna journal"):
        open_storage(journal, write=write)
    assert journal.read_bytes() == damaged


@pytest.mark.parametrize("foreign", [b"hello\n", b"hello\nworld\n", b"hello\nworld\nagain", b"\n"])
def test_what_is_no_journal_is_refused_and_left_as_it_is(journal: Path, foreign: bytes) -> None:
    journal.write_bytes(foreign)
    with pytest.raises(LedgerError, match="must be a readable Optuna journal"):
        open_storage(journal, write=True)
    assert journal.read_bytes() == foreign


@pytest.mark.parametrize("write", [True, False])
def test_a_journal_that_cannot_be_opened_is_refused(journal: Path, write: bool) -> None:
    journal.mkdir()
    with pytest.raises(LedgerError, match="ledger must be"):
        open_storage(journal, write=write)


def test_an_append_that_fails_leaves_file_and_memory_as_they_were(journal: Path) -> None:
    storage = open_storage(journal, write=True)
    fill(storage)
    written, before = journal.read_bytes(), all_studies(storage)
    for room in range(0, 100, 7):
        with disk_full(len(written) + room), pytest.raises(LedgerError, match=r"ledger\.journal is not \(.+\); free"):
            storage.set_study_user_attr(0, "big", 200 * "x")
        assert journal.read_bytes() == written
        assert all_studies(storage) == before


def test_appends_work_as_soon_as_there_is_room_again(journal: Path) -> None:
    storage = open_storage(journal, write=True)
    fill(storage)
    with disk_full(journal.stat().st_size + 20):
        for _ in range(3):
            with pytest.raises(LedgerError):
                storage.create_new_trial(0)
    trial = storage.create_new_trial(0)
    fill_more(storage)
    assert storage.get_trial(trial).number == 1
    assert all_studies(open_storage(journal, write=False)) == all_studies(storage)


def test_what_an_append_could_not_take_back_is_cut_off_by_the_next_one(journal: Path) -> None:
    storage = open_storage(journal, write=True)
    fill(storage)
    with journal.open("ab") as file:
        file.write(b'{"op_code":2,"wor')
    fill_more(storage)
    assert storage.get_study_user_attrs(0)["ended"] == 1
    assert all_studies(open_storage(journal, write=False)) == all_studies(storage)


def test_a_journal_that_was_taken_away_is_not_begun_anew(journal: Path) -> None:
    storage = open_storage(journal, write=True)
    fill(storage)
    journal.unlink()
    for operation in (lambda: fill_more(storage), lambda: all_studies(storage)):
        says = r"ledger.journal is gone: it was deleted or moved while it was in use; restore it from a copy"
        with pytest.raises(LedgerError, match=says) as caught:
            operation()
        assert "nothing that was recorded is lost" not in str(caught.value)
    assert not journal.exists()


def test_a_journal_needs_no_lock_of_its_own(journal: Path) -> None:
    with exclusive(journal, "small"), exclusive(journal, "small"):
        fill(open_storage(journal, write=True))
    assert [path.name for path in journal.parent.iterdir()] == [journal.name]
