"""What a soak has found: how often each fault struck, how long sweeps took to recover, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from tests.faults.faults import FAULTS
from tests.faults.soak_round import RoundResult, SoakRound

__all__ = ["Summary"]


@dataclass(slots=True)
class Summary:
    """Filled round by round."""

    _rounds: list[tuple[SoakRound, RoundResult]] = field(default_factory=list)

    def add(self, drawn: SoakRound, played: RoundResult) -> None:
        """Count a round."""
        self._rounds.append((drawn, played))

    @property
    def struck(self) -> int:
        """How many faults struck."""
        return sum(len(played.strikes) for _, played in self._rounds)

    @property
    def problems(self) -> list[str]:
        """All of them, with the seeds of their rounds."""
        return [f"seed {drawn.seed}: {problem}" for drawn, played in self._rounds for problem in played.problems]

    def recoveries(self, fault: str) -> list[float | None]:
        """How many seconds it took each time that the fault struck; None where another one came first."""
        return [each.recovery for _, played in self._rounds for each in played.strikes if each.fault == fault]

    def results(self) -> Mapping[str, Any]:
        """All of it, for a JSON file. Times are seconds."""
        return {
            "sweeps": len(self._rounds),
            "faults": self.struck,
            "problems": self.problems,
            "recovery": {
                fault.name: [None if each is None else round(each, 1) for each in self.recoveries(fault.name)]
                for fault in FAULTS
            },
        }

    def table(self) -> str:
        """A line for each fault, in Markdown."""
        lines = ["| fault | struck | recovery, s: median | worst |", "|---|---:|---:|---:|"]
        for fault in FAULTS:
            found = self.recoveries(fault.name)
            known = [each for each in found if each is not None]
            shown = f"{median(known):.1f} | {max(known):.1f}" if known else "| "
            lines.append(f"| {fault.name} | {len(found)} | {shown} |")
        return "\n".join(lines)

    def sentence(self, seconds: float) -> str:
        """What it comes to."""
        found = "no problem" if not self.problems else f"{len(self.problems)} problems"
        return f"{self.struck} faults in {len(self._rounds)} sweeps within {seconds / 60:.0f} minutes: {found}."
