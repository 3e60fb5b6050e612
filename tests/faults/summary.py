"""What a soak has found: how often each fault struck, how long sweeps took to recover, and what went wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from tests.faults.faults import FAULTS
from tests.faults.soak_round import RoundResult

__all__ = ["PlayedRound", "Summary"]


@dataclass(frozen=True, slots=True)
class PlayedRound:
    """One round as it is kept. seconds: from its start to its last check. recoveries: fault and seconds of each strike,
    None where another fault came first."""

    seed: int
    seconds: float
    recoveries: tuple[tuple[str, float | None], ...]
    problems: tuple[str, ...]

    @classmethod
    def of(cls, seed: int, seconds: float, result: RoundResult) -> PlayedRound:
        """What is kept of a round that was just played."""
        recoveries = tuple(
            (strike.fault, None if strike.recovery is None else round(strike.recovery, 1)) for strike in result.strikes
        )
        return cls(seed, round(seconds, 1), recoveries, result.problems)


@dataclass(slots=True)
class Summary:
    """Filled round by round. kept: a file with a line for each round, so that a soak may continue another day."""

    rounds: list[PlayedRound] = field(default_factory=list)
    kept: Path | None = None

    @classmethod
    def continued(cls, kept: Path) -> Summary:
        """With the rounds that a file holds, if there is one; what is added goes into it too."""
        lines = kept.read_text(encoding="utf-8").splitlines() if kept.exists() else []
        return cls([_from_json(json.loads(line)) for line in lines], kept)

    def add(self, played: PlayedRound) -> None:
        """Count a round."""
        self.rounds.append(played)
        if self.kept:
            self.kept.parent.mkdir(parents=True, exist_ok=True)
            with self.kept.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(played)) + "\n")

    @property
    def seeds(self) -> frozenset[int]:
        """Of the rounds that were played."""
        return frozenset(played.seed for played in self.rounds)

    @property
    def struck(self) -> int:
        """How many faults struck."""
        return sum(len(played.recoveries) for played in self.rounds)

    @property
    def problems(self) -> list[str]:
        """All of them, with the seeds of their rounds."""
        return [f"seed {played.seed}: {problem}" for played in self.rounds for problem in played.problems]

    def recoveries(self, fault: str) -> list[float | None]:
        """How many seconds it took each time that the fault struck; None where another one came first."""
        return [seconds for played in self.rounds for name, seconds in played.recoveries if name == fault]

    def table(self) -> str:
        """A line for each fault, in Markdown."""
        lines = ["| fault | struck | recovery, s: median | worst |", "|---|---:|---:|---:|"]
        for fault in FAULTS:
            found = self.recoveries(fault.name)
            known = [each for each in found if each is not None]
            shown = f"{median(known):.1f} | {max(known):.1f}" if known else "| "
            lines.append(f"| {fault.name} | {len(found)} | {shown} |")
        return "\n".join(lines)

    def sentence(self) -> str:
        """What it comes to."""
        found = "no problem" if not self.problems else f"{len(self.problems)} problems"
        hours = sum(played.seconds for played in self.rounds) / 3600
        return f"{self.struck} faults in {len(self.rounds)} sweeps, {hours:.1f} hours of sweeps in all: {found}."


def _from_json(line: Mapping[str, Any]) -> PlayedRound:
    recoveries = tuple((str(fault), seconds) for fault, seconds in line["recoveries"])
    return PlayedRound(line["seed"], line["seconds"], recoveries, tuple(line["problems"]))
