"""A round: one sweep, the faults that strike it and when, all drawn from one seed; and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from tests.faults.fault_run import NAME, Scene, Strike
from tests.faults.faults import FAULTS, Fault
from tests.faults.requirements import Need, agree, lacking
from tests.faults.services import Stage
from tests.sweeps.checks import Table, check, table

__all__ = ["Act", "Moment", "Played", "Reference", "Round", "When", "available", "each_once", "play", "undisturbed"]

_FAULTS = 5  # of a round
_CROWD = 6  # at most, where each fault comes once
_ENOUGH = 30  # commands of a scene
_STUCK = 240.0  # seconds without any progress
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
class Act:
    """A fault at its moment. seed: of what the fault itself draws."""

    fault: Fault
    moment: Moment
    seed: int


@dataclass(frozen=True, slots=True)
class Round:
    """The acts of one sweep."""

    seed: int
    acts: tuple[Act, ...]

    @classmethod
    def drawn(cls, seed: int, faults: Sequence[Fault]) -> Round:
        """The round of a seed. The first of its faults is the seed's own, so that rounds in a row have them all; the
        others are drawn from those that agree with it."""
        rng = Random(seed)
        chosen = [faults[seed % len(faults)]]
        while len(chosen) < _FAULTS:
            chosen.append(rng.choice([each for each in faults if agree(_needs([*chosen, each]))]))
        rng.shuffle(chosen)
        moments = [Moment.drawn(rng, len(chosen) - number) for number in range(len(chosen))]
        return cls(seed, tuple(Act(f, m, rng.getrandbits(32)) for f, m in zip(chosen, moments, strict=True)))

    @property
    def needs(self) -> frozenset[Need]:
        return _needs([act.fault for act in self.acts])

    @property
    def changes_outcomes(self) -> bool:
        return any(act.fault.changes_outcomes for act in self.acts)


@dataclass(frozen=True, slots=True)
class Reference:
    """What an undisturbed sweep came to. evaluations: how many there are in its ledger."""

    table: Table
    evaluations: int


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a round."""

    strikes: tuple[Strike, ...]
    problems: tuple[str, ...]


def available() -> tuple[Fault, ...]:
    """The faults that this machine can throw."""
    return tuple(fault for fault in FAULTS if not lacking(fault.needs))


def each_once(seed: int, faults: Sequence[Fault]) -> list[Round]:
    """As few rounds as hold every one of the faults once, each in the middle of its sweep. What changes outcomes has a
    round of its own, so that the tables of all others can be compared."""
    groups: list[list[Fault]] = []
    for fault in sorted(faults, key=lambda each: (each.changes_outcomes, -len(each.needs))):
        fits = (each for each in groups if len(each) < _CROWD and agree(_needs([*each, fault])))
        home = None if fault.changes_outcomes else next(fits, None)
        if home is None:
            groups.append(home := [])
        home.append(fault)
    return [_spread(group, seed + number) for number, group in enumerate(groups)]


def _spread(faults: Sequence[Fault], seed: int) -> Round:
    rng = Random(seed)
    shares = [rng.uniform(0.2, 0.8) / (len(faults) - number) for number in range(len(faults))]
    acts = (Act(fault, Moment(When.MIDDLE, share, 0.0), seed) for fault, share in zip(faults, shares, strict=True))
    return Round(seed, tuple(acts))


def _needs(faults: Sequence[Fault]) -> frozenset[Need]:
    return frozenset[Need]().union(*(fault.needs for fault in faults))


def undisturbed(stage: Stage, needs: frozenset[Need]) -> Reference:
    """Run the sweep that others are compared with. Raises AssertionError if even that goes wrong."""
    with Scene.opened(stage, f"undisturbed-{len(needs)}", needs) as scene:
        scene.start()
        scene.wait(lambda: not scene.running, _STUCK)
        assert scene.code == 0, scene.driver.said
        problems = list(check(scene, None))
        assert not problems, problems
        results = scene.results()
        assert results is not None, "it has been checked"
        return Reference(table(results), scene.progress)


def play(played: Round, stage: Stage, reference: Reference, say: Callable[[str], None]) -> Played:
    """Run a sweep through its round. say: is told of each fault when it has struck."""
    with Scene.opened(stage, f"s{played.seed}", played.needs) as scene:
        scene.start()
        acts = list(played.acts)
        while acts and _reach(scene, acts[0].moment, reference.evaluations):
            act = acts.pop(0)
            overtaken = bool(acts) and acts[0].moment.when is When.START
            _throw(scene, act, overtaken=overtaken, say=say)
        scene.fault = ""
        _finish(scene, played.acts[-1].fault.codes)
        scene.problems += check(scene, None if played.changes_outcomes else reference.table)
        return Played(tuple(scene.strikes), tuple(scene.problems))


def _reach(scene: Scene, moment: Moment, due: int) -> bool:
    """Wait for the moment. Returns whether the driver still runs then."""
    if moment.when is When.START:
        scene.sleep(scene.started + moment.pause - time.monotonic())
        return scene.running
    share = 1.0 if moment.when is When.END else moment.share
    wanted = scene.progress + share * (due - scene.progress)
    scene.wait(lambda: scene.progress >= wanted, _STUCK)
    scene.sleep(moment.pause)
    return scene.running


def _throw(scene: Scene, act: Act, *, overtaken: bool, say: Callable[[str], None]) -> None:
    scene.fault, before = act.fault.name, len(scene.strikes)
    act.fault.throw(scene, Random(act.seed))
    if len(scene.strikes) == before:
        say(f"{act.fault.name} {act.moment.when}: came too late")
        return
    strike = scene.strikes[-1]
    since = _recover(scene, strike, act.fault, overtaken=overtaken)
    if since is not None:
        at = scene.timeline.first(after=since, above=strike.progress)
        strike.recovery = (at or scene.timeline.ended or time.monotonic()) - since
    took = "overtaken by the next one" if strike.recovery is None else f"recovered after {strike.recovery:.1f} s"
    say(f"{act.fault.name} {act.moment.when}, at report {strike.progress}: {took}")


def _recover(scene: Scene, strike: Strike, fault: Fault, *, overtaken: bool) -> float | None:
    """Wait for the next report or for the clean end, and start the driver again if the fault has ended it. Returns from
    when on the sweep recovers; None if it is not waited for."""
    since = strike.time
    while True:
        if not scene.running and scene.code != 0:
            since, strike.progress = time.monotonic(), scene.progress
            _start_again(scene, fault.codes)
            if overtaken:
                return None
        came = scene.wait(lambda: scene.progress > strike.progress, _STUCK)
        if scene.running or scene.code == 0:
            scene.expect(came or not scene.running, f"no progress within {_STUCK:g} s")
            return since


def _start_again(scene: Scene, codes: frozenset[int]) -> None:
    scene.expect(scene.code in codes, f"the driver ended with {scene.code}: {scene.driver.said[-2000:]}")
    assert len(scene.sessions) < _ENOUGH, "it ends again and again"
    scene.start()


def _finish(scene: Scene, codes: frozenset[int]) -> None:
    """Let the driver end, and push to MLflow what could not be pushed while it was away. codes: with which the driver
    may have ended because of the last fault, a little late."""
    scene.wait(lambda: not scene.running, _STUCK)
    if not scene.running and scene.code in codes:
        _start_again(scene, codes)
        scene.wait(lambda: not scene.running, _STUCK)
    if scene.running:
        scene.expect(False, f"the driver does not end: {scene.driver.said[-2000:]}")
        scene.driver.kill()
    scene.expect(scene.code == 0, f"the driver ended with {scene.code}: {scene.driver.said[-2000:]}")
    for session in scene.sessions:
        scene.expect("Traceback" not in session.said, f"a traceback: {session.said[-3000:]}")
    if Need.SERVER in scene.needs and (scene.behind or "sweep sync" in scene.driver.said):
        scene.stage.mlflow.heal()
        code, output = scene.call("sync", NAME)
        scene.expect(code == 0, f"`sweep sync` ended with {code}: {output}")
