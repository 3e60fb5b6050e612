"""What a sweep tells of the versions that have trained it: nothing may differ in silence."""

from __future__ import annotations

from collections.abc import Iterator

from sweep.records.confirmation import ReplicateRecord, Role
from sweep.records.results import SweepResults
from sweep.records.trial import EvaluationRecord
from tests.faults.fault_run import FaultRun
from tests.faults.strike import Strike
from trainable.outcomes import Outcome
from trainable.versions import versions

__all__ = ["check_versions"]

_CAUTION = "losses were trained with different versions"


def check_versions(fault_run: FaultRun, results: SweepResults) -> Iterator[str]:
    """What is wrong, in words."""
    upgrades = [strike for strike in fault_run.strikes if strike.upgrade]
    for key, each in _evaluations(results):
        told, due = each.evaluation.trained_with, _due(upgrades, key, each)
        if told != due and each.evaluation.outcome is not Outcome.FAILED:
            yield f"an evaluation of {key} was trained with {due}, and says {told!r}"
    yield from _report(fault_run, results)
    for strike in upgrades:
        session, library = fault_run.sessions[strike.sessions], strike.upgrade.partition(" ")[0]
        noted = "versions have changed since the last run (" in session.said and f"{library}: was " in session.said
        if session.process.poll() == 0 and not noted:
            yield f"the run after {strike.upgrade} does not note it: {session.said[-2000:]}"


def _report(fault_run: FaultRun, results: SweepResults) -> Iterator[str]:
    """It names all versions, and has a caution where the confirmations of the two losses differ."""
    page = (fault_run.directory.report / "report.html").read_text(encoding="utf-8")
    found = {each.evaluation.trained_with for _, each in _evaluations(results)}
    yield from (f"the report does not tell of {each}" for each in found if each not in page)
    confirmed = [record for record in results.confirmations if record.role is Role.CONFIRMATION]
    unlike = len({version for record in confirmed for version in record.trained_with}) > 1
    if (_CAUTION in page) is not unlike:
        yield f"the report {'lacks the' if unlike else 'has a'} caution of different versions"


def _due(upgrades: list[Strike], key: str, each: EvaluationRecord | ReplicateRecord) -> str:
    """What an evaluation was trained with: the versions of this process, but for the upgrades before it."""
    known = dict(part.split(" ", maxsplit=1) for part in versions().split(", "))
    for strike in upgrades:
        if strike.before is None or (key, each) not in _evaluations(strike.before):
            library, version = strike.upgrade.split()
            known[library] = version
    return ", ".join(f"{library} {version}" for library, version in known.items())


def _evaluations(results: SweepResults) -> list[tuple[str, EvaluationRecord | ReplicateRecord]]:
    """All of them, with the keys of their records."""
    searched = [(record.key, each) for record in results.trials for each in record.evaluations]
    return [*searched, *((record.key, each) for record in results.confirmations for each in record.replicates)]
