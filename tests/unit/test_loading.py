"""What is loaded while a process waits for others: in order, in one thread, and its errors are those of the block."""

from __future__ import annotations

import gc
import threading

import pytest

from trainable.loading import meanwhile, uncollected


def test_loads_have_ended_after_the_block_in_their_order() -> None:
    begun, loaded = threading.Event(), list[str]()
    with meanwhile(lambda: begun.wait(10), lambda: loaded.append("first"), lambda: loaded.append("second")):
        assert loaded == []
        begun.set()
    assert loaded == ["first", "second"]


def test_an_error_of_a_load_is_raised_after_the_block_and_ends_the_loading() -> None:
    done = list[str]()

    def fail() -> None:
        raise ValueError("no such store")

    with pytest.raises(ValueError, match="no such store"), meanwhile(fail, lambda: done.append("loaded")):
        done.append("block")
    assert done == ["block"]


def test_an_error_of_the_block_is_raised_before_one_of_a_load() -> None:
    def fail() -> None:
        raise ValueError("no such store")

    with pytest.raises(KeyboardInterrupt), meanwhile(fail):
        raise KeyboardInterrupt


def test_an_error_of_the_block_keeps_what_is_still_to_be_loaded_from_being_loaded() -> None:
    begun, loaded = threading.Event(), list[str]()
    with pytest.raises(KeyboardInterrupt), meanwhile(lambda: begun.wait(0.2), lambda: loaded.append("second")):
        raise KeyboardInterrupt
    assert loaded == []


def test_the_collector_is_afterwards_as_it_was() -> None:
    assert gc.isenabled()
    with uncollected():
        assert not gc.isenabled()
        with uncollected():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
