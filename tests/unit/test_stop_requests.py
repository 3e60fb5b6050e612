"""A sweep is stopped from another process by a request in its folder."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sweep.errors import StoredSweepError
from sweep.ledger.directory import SweepDirectory
from sweep.scheduling.stop_requests import Stop, obeying, request_stop


def never() -> None:
    """What is not asked for."""
    raise AssertionError


@contextmanager
def asked(directory: SweepDirectory, wanted: Stop) -> Iterator[list[str]]:
    """A driver, while somebody asks it to stop and waits until it has; what that person is told."""
    told: list[str] = []
    asking = threading.Thread(target=request_stop, args=(directory, wanted), kwargs={"told": told.append})
    with directory.locked():
        asking.start()
        yield told
    asking.join(timeout=10)
    assert not asking.is_alive()


def test_a_gentle_request_drains_and_is_taken_away(tmp_path: Path) -> None:
    directory, drained = SweepDirectory(tmp_path), threading.Event()
    with asked(directory, Stop.GENTLY) as told, obeying(directory, drain=drained.set, stop=never):
        assert drained.wait(timeout=10)
    assert "when the replicates that run have ended" in told[0]
    assert not directory.stop_request.exists()


def test_a_driver_that_has_just_begun_is_asked_too(tmp_path: Path) -> None:
    """It holds the lock before its name is in it; who asks must not take the name for another driver's, and leave."""
    directory, drained = SweepDirectory(tmp_path), threading.Event()
    with directory.locked():
        name = (tmp_path / "driver.lock").read_text()
        (tmp_path / "driver.lock").write_text("")
        asking = threading.Thread(target=request_stop, args=(directory, Stop.GENTLY), kwargs={"told": str})
        asking.start()
        asking.join(timeout=0.1)
        (tmp_path / "driver.lock").write_text(name)
        with obeying(directory, drain=drained.set, stop=never):
            assert drained.wait(timeout=10)
    asking.join(timeout=10)
    assert not asking.is_alive()


def test_an_urgent_request_stops_without_a_signal(tmp_path: Path) -> None:
    directory, stopped = SweepDirectory(tmp_path), threading.Event()
    with asked(directory, Stop.NOW) as told, obeying(directory, drain=never, stop=stopped.set):
        assert stopped.wait(timeout=10)
    assert "at once" in told[0]


@pytest.mark.slow
def test_what_an_earlier_driver_did_not_see_stops_nobody(tmp_path: Path) -> None:
    directory, drained = SweepDirectory(tmp_path), threading.Event()
    directory.stop_request.write_text(Stop.NOW)
    with directory.locked(), obeying(directory, drain=drained.set, stop=never):
        assert not drained.wait(timeout=0.5)


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"later"])
def test_a_request_that_is_none_is_no_request(content: bytes, tmp_path: Path) -> None:
    directory, drained = SweepDirectory(tmp_path), threading.Event()
    with directory.locked():
        directory.stop_request.write_bytes(content)
        with obeying(directory, drain=drained.set, stop=never):
            assert not drained.wait(timeout=0.5)


def test_only_what_runs_can_be_stopped(tmp_path: Path) -> None:
    with pytest.raises(StoredSweepError, match="no driver has"):
        request_stop(SweepDirectory(tmp_path), Stop.GENTLY, told=print)
