"""A round: one sweep, the faults that strike it and when, all drawn from one seed; and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from tests.faults.checks import check
from tests.faults.fault_run import FaultRun
from tests.faults.fault_spec import NAME
from tests.faults.faults import FAULTS, Fault
from tests.faults.requirements import Requirement, agree, lacking
from tests.faults.services import Services
from tests.faults.strike import Strike
from tests.sweeps.results_table import Table, table

__all__ = [
    "Moment",
    "PlannedFault",
    "Reference",
    "RoundResult",
    "SoakRound",
    "When",
    "available",
    "each_once",
    "play",
    "undisturbed",
]

_FAULTS = 5  # of a round
_CROWD = 8  # at most, where each fault comes once
_ENOUGH = 30  # starts of a run's driver
_STUCK = 400.0  # seconds without any progress
_START_UP = 12.0  # seconds from the start of a driver to its first report, more or less
_CLOSING = 4.0  # seconds from the last report to the end of the driver, more or less


class When(StrEnum):
    """In which part of a driver's life a fault strikes."""

    START = "at the start"
    MIDDLE = "in the middle"
    END = "at the end"


@dataclass(frozen=True, slots=True)
class Moment:
    """share: of the reports that are still due, those that are waited for. pause: seconds after that, after the start
    of the driver, or after the last report."""

    when: When
    share: float
    pause: float

    @classmethod
    def drawn(cls, rng: Random, left: int) -> Moment:
        """A random one. left: how many faults still come, this one included."""
        when = rng.choices(list(When), weights=[2, 7, 0 if left > 1 else 5])[0]
        pause = {When.START: _START_UP, When.MIDDLE: 0.5, When.END: _CLOSING}[when]
        return cls(when, rng.uniform(0.0, 1.0 / left), rng.uniform(0.0, pause))


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """A fault at its moment. seed: of what the fault itself draws."""

    fault: Fault
    moment: Moment
    seed: int


@dataclass(frozen=True, slots=True)
class SoakRound:
    """The faults of one sweep, in their order."""

    seed: int
    faults: tuple[PlannedFault, ...]

    @classmethod
    def drawn(cls, seed: int, faults: Sequence[Fault]) -> SoakRound:
        """The round of a seed. The first of its faults is the seed's own, so that rounds in a row have them all; the
        others are drawn from those that agree with it."""
        rng = Random(seed)
        chosen = [faults[seed % len(faults)]]
        while len(chosen) < _FAULTS:
            chosen.append(rng.choice([each for each in faults if agree(_requirements([*chosen, each]))]))
        rng.shuffle(chosen)
        moments = [Moment.drawn(rng, len(chosen) - number) for number in range(len(chosen))]
        return cls(seed, tuple(PlannedFault(f, m, rng.getrandbits(32)) for f, m in zip(chosen, moments, strict=True)))

    @property
    def requirements(self) -> frozenset[Requirement]:
        return _requirements([planned.fault for planned in self.faults])

    @property
    def changes_outcomes(self) -> bool:
        return any(planned.fault.changes_outcomes for planned in self.faults)


@dataclass(frozen=True, slots=True)
class Reference:
    """What an undisturbed sweep came to. evaluations: how many there are in its ledger."""

    table: Table
    evaluations: int


@dataclass(frozen=True, slots=True)
class RoundResult:
    """What came of a round. raised: whether an error ended it, rather than its last check."""

    strikes: tuple[Strike, ...]
    problems: tuple[str, ...]
    raised: bool = False


def available() -> tuple[Fault, ...]:
    """The faults that this machine can throw."""
    return tuple(fault for fault in FAULTS if not lacking(fault.requirements))


def each_once(seed: int, faults: Sequence[Fault]) -> list[SoakRound]:
    """As few rounds as hold every one of the faults once, each in the middle of its sweep. What changes outcomes has a
    round of its own, so that the tables of all others can be compared."""
    groups: list[list[Fault]] = []
    for fault in sorted(faults, key=lambda each: (each.changes_outcomes, -len(each.requirements))):
        fits = (each for each in groups if len(each) < _CROWD and agree(_requirements([*each, fault])))
        home = None if fault.changes_outcomes else next(fits, None)
        if home is None:
            groups.append(home := [])
        home.append(fault)
    return [_spread(group, seed + number) for number, group in enumerate(groups)]


def _spread(faults: Sequence[Fault], seed: int) -> SoakRound:
    rng = Random(seed)
    shares = [rng.uniform(0.1, 0.4) / (len(faults) - number) for number in range(len(faults))]
    planned = (
        PlannedFault(fault, Moment(When.MIDDLE, share, 0.0), seed) for fault, share in zip(faults, shares, strict=True)
    )
    return SoakRound(seed, tuple(planned))


def _requirements(faults: Sequence[Fault]) -> frozenset[Requirement]:
    return frozenset[Requirement]().union(*(fault.requirements for fault in faults))


def undisturbed(services: Services, requirements: frozenset[Requirement]) -> Reference:
    """Run the sweep that others are compared with. Raises AssertionError if even that goes wrong."""
    with FaultRun.opened(services, f"undisturbed-{len(requirements)}", requirements) as run:
        run.start()
        run.wait(lambda: not run.running, _STUCK)
        assert run.code == 0, run.driver.said
        problems = list(check(run, None))
        assert not problems, problems
        results = run.results()
        assert results is not None, "it has been checked"
        return Reference(table(results), run.progress)


def play(played: SoakRound, services: Services, reference: Reference, say: Callable[[str], None]) -> RoundResult:
    """Run a sweep through its round. say: is told of each fault when it has struck."""
    with FaultRun.opened(services, f"s{played.seed}", played.requirements) as run:
        run.start()
        planned = list(played.faults)
        while planned and _reach(run, planned[0].moment, reference.evaluations):
            act = planned.pop(0)
            overtaken = bool(planned) and planned[0].moment.when is When.START
            _throw(run, act, overtaken=overtaken, say=say)
        run.fault = ""
        _finish(run, played.faults[-1].fault.codes)
        run.problems += check(run, None if played.changes_outcomes else reference.table)
        return RoundResult(tuple(run.strikes), tuple(run.problems))


def _reach(run: FaultRun, moment: Moment, due: int) -> bool:
    """Wait for the moment. Returns whether the driver still runs then."""
    if moment.when is When.START:
        run.sleep(run.started + moment.pause - time.monotonic())
        return run.running
    share = 1.0 if moment.when is When.END else moment.share
    wanted = run.progress + share * (due - run.progress)
    run.wait(lambda: run.progress >= wanted, _STUCK)
    run.sleep(moment.pause)
    return run.running


def _throw(run: FaultRun, act: PlannedFault, *, overtaken: bool, say: Callable[[str], None]) -> None:
    run.fault, before = act.fault.name, len(run.strikes)
    act.fault.throw(run, Random(act.seed))
    if len(run.strikes) == before:
        say(f"{act.fault.name} {act.moment.when}: came too late")
        return
    strike = run.strikes[-1]
    since = _recover(run, strike, act.fault, overtaken=overtaken)
    if since is not None:
        at = run.timeline.first(after=since, above=strike.progress)
        strike.recovery = (at or run.timeline.ended or time.monotonic()) - since
    took = "overtaken by the next one" if strike.recovery is None else f"recovered after {strike.recovery:.1f} s"
    say(f"{act.fault.name} {act.moment.when}, at report {strike.progress}: {took}")


def _recover(run: FaultRun, strike: Strike, fault: Fault, *, overtaken: bool) -> float | None:
    """Wait for the next report or for the clean end, and start the driver again if the fault has ended it. Returns from
    when on the sweep recovers; None if it is not waited for."""
    since = strike.time
    while True:
        if not run.running and run.code != 0:
            since, strike.progress = time.monotonic(), run.progress
            _start_again(run, fault.codes)
            if overtaken:
                return None
        came = run.wait(lambda: run.progress > strike.progress, _STUCK)
        if run.running or run.code == 0:
            run.expect(came or not run.running, f"no progress within {_STUCK:g} s")
            return since


def _start_again(run: FaultRun, codes: frozenset[int]) -> None:
    run.expect(run.code in codes, f"the driver ended with {run.code}: {run.driver.said[-2000:]}")
    assert run.starts < _ENOUGH, "it ends again and again"
    run.start()


def _finish(run: FaultRun, codes: frozenset[int]) -> None:
    """Let the driver end, and push to MLflow what could not be pushed while it was away. codes: with which the driver
    may have ended because of the last fault, a little late."""
    run.wait(lambda: not run.running, _STUCK)
    if not run.running and run.code in codes:
        _start_again(run, codes)
        run.wait(lambda: not run.running, _STUCK)
    if run.running:
        run.expect(False, f"the driver does not end: {run.driver.said[-2000:]}")
        run.driver.kill()
    run.expect(run.code == 0, f"the driver ended with {run.code}: {run.driver.said[-2000:]}")
    for session in run.sessions:
        run.expect("Traceback" not in session.said, f"a traceback: {session.said[-3000:]}")
    if Requirement.SERVER in run.requirements and (run.behind or "sweep sync" in run.driver.said):
        run.services.mlflow.heal()
        code, output = run.call("sync", NAME)
        run.expect(code == 0, f"`sweep sync` ended with {code}: {output}")
