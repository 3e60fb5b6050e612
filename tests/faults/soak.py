"""The long fault suite: `python -m tests.faults.soak --faults 400` throws that many random faults at real sweeps.

Rounds are numbered by their seeds, from `--seed` on. A round is drawn from its seed alone, so that one that went wrong
is repeated alone by `--seed ITS-SEED --faults 1` (and the same `--only`, if there was one). Rounds are played side by
side in `--lanes`, each with one trial at a time. With `--kept FILE`, rounds that the file holds are not played again:
a soak may take several sittings.
"""

from __future__ import annotations

import argparse
import math
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from tests.faults.faults import FAULTS
from tests.faults.requirements import Requirement, lacking
from tests.faults.services import Material, Services
from tests.faults.soak_round import Reference, RoundResult, SoakRound, available, play, undisturbed
from tests.faults.summary import PlayedRound, Summary

__all__ = ["Soak", "main"]

_KEPT_FROM = 400  # faults of a soak whose table goes into the README
_TOLD = 12  # problems of a round that are printed


@dataclass
class Soak:
    """Rounds, played in lanes. folder: for everything; what went wrong stays there. wanted: how many faults are enough.
    deadline: a time of the monotonic clock after which no round begins. lanes: rounds that are played at once. steps:
    of each training."""

    folder: Path
    wanted: float = math.inf
    deadline: float = math.inf
    lanes: int = 2
    steps: int = 120
    summary: Summary = field(default_factory=Summary)
    _material: Material | None = None
    _rounds: Iterator[SoakRound] = field(default_factory=lambda: iter(()))
    _places: Iterator[int] = field(default_factory=count)
    _references: dict[bool, Reference] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)
    _began: float = field(default_factory=time.monotonic)

    def run(self, rounds: Iterable[SoakRound]) -> None:
        """Play rounds until there are no more, enough faults have struck, or time is up. What further rounds are
        compared with is not trained again."""
        self._rounds = iter(rounds)
        if self._material is None:
            self._material = Material(self.folder / "material", self.steps)
            self._material.folder.mkdir()
            self._material.write()
        with ThreadPoolExecutor(self.lanes) as lanes:
            try:
                for lane in [lanes.submit(self._lane, self._material) for _ in range(self.lanes)]:
                    lane.result()
            except BaseException:
                self._over.set()  # the lanes end what they have started
                raise

    def _lane(self, material: Material) -> None:
        """Rounds one after the other. Services are started for the first one, and anew after one that raised an
        error."""
        drawn = self._next()
        while drawn is not None:
            with Services.opened(self._place(), material, self._over) as services:
                sound = True
                while sound and drawn is not None:
                    sound = self._round(drawn, services)
                    drawn = self._next()

    def _place(self) -> Path:
        with self._lock:
            return self.folder / f"{next(self._places)}"

    def _next(self) -> SoakRound | None:
        with self._lock:
            enough = self.summary.struck >= self.wanted or time.monotonic() >= self.deadline
            return None if enough else next(self._rounds, None)

    def _round(self, drawn: SoakRound, services: Services) -> bool:
        """Play one; whether it came to its end."""
        began = time.monotonic()
        try:
            reference = self._reference(services, poisoned=Requirement.POISON in drawn.requirements)
            played = play(drawn, services, reference, lambda text: self._say(f"seed {drawn.seed}: {text}"))
        except Exception:
            played = RoundResult((), (f"the round raised an error:\n{traceback.format_exc()}",), raised=True)
        with self._lock:
            self.summary.add(PlayedRound.of(drawn.seed, time.monotonic() - began, played))
        for problem in played.problems[:_TOLD]:
            self._say(f"seed {drawn.seed}: PROBLEM: {problem[:2500]}")
        if len(played.problems) > _TOLD:
            self._say(f"seed {drawn.seed}: {len(played.problems)} problems in all")
        if not played.problems:
            shutil.rmtree(services.folder / f"s{drawn.seed}")
        return not played.raised

    def _reference(self, services: Services, *, poisoned: bool) -> Reference:
        with self._lock:
            if poisoned not in self._references:
                requirements = frozenset({Requirement.POISON} if poisoned else ())
                self._references[poisoned] = undisturbed(services, requirements)
            return self._references[poisoned]

    def _say(self, text: str) -> None:
        minutes = (time.monotonic() - self._began) / 60
        print(f"{minutes:5.1f} min  {text}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Throw faults. Returns 0, or 1 if anything was lost, doubled or stuck."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    faults = [fault for fault in available() if options.only in (None, fault.name)]
    for fault in FAULTS:
        if missing := lacking(fault.requirements):
            print(f"left out: {fault.name}: needs {missing}")
    if not faults:
        print(f"--only {options.only!r} cannot be thrown here; there are: {', '.join(f.name for f in available())}")
        return 2
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    summary = Summary.continued(options.kept) if options.kept else Summary()
    rounds = (SoakRound.drawn(seed, faults) for seed in count(options.seed) if seed not in summary.seeds)
    soak = Soak(folder, options.faults, began + 60 * options.minutes, options.lanes, summary=summary)
    try:
        soak.run(rounds)
    finally:
        print(f"\n{summary.table()}\n\n{summary.sentence()}")
    if summary.problems:
        print(f"what went wrong lies in {folder}")
        return 1
    shutil.rmtree(folder)
    if options.only is None and summary.struck >= _KEPT_FROM:
        _write_readme(summary)
    return 0


def _write_readme(summary: Summary) -> None:
    readme = Path(__file__).parent / "README.md"
    begin, end = "<!-- results -->\n", "<!-- end of results -->"
    head, _, rest = readme.read_text(encoding="utf-8").partition(begin)
    tail = rest.partition(end)[2]
    text = f"{head}{begin}\n{summary.table()}\n\n{summary.sentence()}\n\n{end}{tail}"
    readme.write_text(text, encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--faults", type=int, default=400, help="how many are to strike (default: 400)")
    parser.add_argument("--seed", type=int, default=1, help="of the first round (default: 1)")
    parser.add_argument("--only", metavar="NAME", help="throw this fault alone")
    parser.add_argument("--lanes", type=int, default=2, help="rounds that are played at once (default: 2)")
    parser.add_argument("--minutes", type=float, default=300.0, help="begin no round after so long (default: 300)")
    parser.add_argument("--kept", type=Path, metavar="FILE", help="a line for each round; those that are there count")
    return parser


if __name__ == "__main__":
    sys.exit(main())
