"""Drivers that must be refused, and leave the ledger as it is."""

from __future__ import annotations

from tests.faults.fault_run import FaultRun
from tests.faults.requirements import Requirement

__all__ = ["recorded", "refused", "whole_records"]


def refused(run: FaultRun, *words: str) -> None:
    """The run's command must be refused now, with all of these words, and alter nothing of the ledger."""
    before = recorded(run)
    code, output = run.call(*run.command)
    said = code == 2 and all(each in output for each in words)
    run.expect(said, f"the driver was not refused with {words}, but ended with {code}: {output}")
    run.expect(recorded(run) == before, "the refused driver has altered the ledger")


def recorded(run: FaultRun) -> object:
    """What the ledger holds; where it is a file, every byte of its whole records."""
    return run.results() if Requirement.POSTGRES in run.requirements else whole_records(run)


def whole_records(run: FaultRun) -> bytes:
    """The journal without a record that a kill has torn."""
    content = run.directory.journal.read_bytes()
    return content[: content.rfind(b"\n") + 1]
