"""Whether the driver's memory grows with the number of trials.

`python -m tests.benchmarks.memory` runs one sweep of thousands of very short trials, with everything that a real one
has: Ray Tune, the ledger, the search, and MLflow. Meanwhile it samples the driver's resident memory and the number of
trials that have ended.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from sweep.ledger.directory import SweepDirectory
from tests.benchmarks.options import count
from tests.services.poll_while import poll_while
from tests.services.process import CommandFailedError, clean_environment, run_command
from tests.sweeps.tiny_task import TinyTask, machine, write_results

__all__ = ["EndedTrials", "Sample", "at", "main", "summarise"]

ROOT = Path(__file__).parents[2]
KEPT = Path(__file__).parent / "results" / "memory.json"
NAME = "memory"
PERIOD = 1.0  # seconds between two samples
MARKS = (200, 500, 1000, 1500, 2000)
ALLOWED = 1.10
"""The largest ratio of the driver's memory at the last mark to that at the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The memory of a sweep's processes at one moment.

    time: seconds since the epoch.
    trials: how many have ended.
    driver: MiB of the driver's resident memory.
    others: the same of the processes below it, summed up by name.
    """

    time: float
    trials: int
    driver: float
    others: Mapping[str, float]


@dataclass(slots=True)
class EndedTrials:
    """Counts the ended trials in a growing journal, reading only what was appended since the last count."""

    journal: Path
    count: int = 0
    _offset: int = 0

    def update(self) -> int:
        """Read what was appended, and return how many trials have ended."""
        if self.journal.exists():
            with self.journal.open("rb") as file:
                file.seek(self._offset)
                whole, newline, _ = file.read().rpartition(b"\n")
            self.count += whole.count(b'"datetime_complete":')
            self._offset += len(whole) + len(newline)
        return self.count


@dataclass(slots=True)
class Sampler:
    """Samples the memory of a sweep's driver, once the sweep's folder names its process."""

    directory: SweepDirectory
    ended: EndedTrials
    samples: list[Sample] = field(default_factory=list)

    @classmethod
    def of(cls, directory: SweepDirectory) -> Sampler:
        """Return the sampler of a sweep that may not have begun."""
        return cls(directory, EndedTrials(directory.journal))

    def look(self) -> None:
        """Take one sample, if the driver runs."""
        try:
            driver = psutil.Process(json.loads((self.directory.path / "driver.lock").read_text())["pid"])
            self.samples.append(_sample(driver, self.ended.update()))
        except (OSError, ValueError, psutil.Error):  # the driver has not begun, or has ended
            return


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark. Returns 0, or 1 if the sweep fails or its driver grows too much."""
    options = _parser().parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="benchmark-memory-") as scratch:
            samples, wall = _measure(Path(scratch), options)
    except CommandFailedError as error:
        print(error, file=sys.stderr)
        return 1
    results = summarise(samples)
    print(f"\n{_table(results)}\n")
    size = {"cells": options.cells, "trials_per_cell": options.trials, "wall": wall}
    write_results(options.out, machine() | size | results)
    return 0 if results["met"] else 1


def summarise(samples: Sequence[Sample]) -> dict[str, Any]:
    """Return the sample at each mark, the driver's growth, and its memory for each 100 trials."""
    marks = {mark: asdict(found) for mark in MARKS if (found := at(samples, mark)) is not None}
    growth = marks[MARKS[-1]]["driver"] / marks[MARKS[0]]["driver"] if MARKS[-1] in marks else None
    last = samples[-1].trials
    return {
        "marks": marks,
        "growth": growth,
        "met": growth is not None and growth <= ALLOWED,
        "seconds_per_trial": _seconds_per_trial(samples),
        "curve": [
            (found.trials, round(found.driver, 1)) for mark in range(0, last + 1, 100) if (found := at(samples, mark))
        ],
    }


def at(samples: Sequence[Sample], trials: int) -> Sample | None:
    """Return the first sample with at least so many trials, or None."""
    return next((sample for sample in samples if sample.trials >= trials), None)


def _seconds_per_trial(samples: Sequence[Sample]) -> float | None:
    """Return the mean time between two ends of trials, on whatever slots, or None for fewer than two."""
    first, last = at(samples, 1), at(samples, samples[-1].trials)
    if first is None or last is None or last.trials == first.trials:
        return None
    return (last.time - first.time) / (last.trials - first.trials)


def _measure(scratch: Path, options: argparse.Namespace) -> tuple[list[Sample], float]:
    task = TinyTask(scratch)
    task.write()
    task.write_spec(
        scratch / "spec.yaml",
        NAME,
        # Weight decay serves only to make many cells.
        compare={
            "dataset": ["films"],
            "shots": [2],
            "loss": ["cross_entropy"],
            "weight_decay": [number / 100 for number in range(options.cells)],
        },
        protocol={"replicates": 1, "evaluations": 1, "steps": 1, "validation": 4},
        budget={"trials_per_cell": options.trials},
        confirm={"draws": 0},
        tracking={"experiment": NAME, "uri": f"sqlite:///{scratch}/mlflow.db"},
    )
    command = [sys.executable, "-m", "sweep", "run", "spec.yaml", "--dir", "sweeps"]
    sampler = Sampler.of(SweepDirectory(scratch / "sweeps" / NAME))
    with poll_while(sampler.look, PERIOD):
        run = run_command(command, folder=scratch, environment=clean_environment(scratch, ROOT))
    return sampler.samples, run.wall


def _sample(driver: psutil.Process, trials: int) -> Sample:
    others: dict[str, float] = {}
    for process in driver.children(recursive=True):
        try:
            name = process.name()
            others[name] = others.get(name, 0.0) + process.memory_info().rss / 2**20
        except psutil.Error:  # it ended meanwhile
            continue
    return Sample(time=time.time(), trials=trials, driver=driver.memory_info().rss / 2**20, others=others)


def _table(results: Mapping[str, Any]) -> str:
    lines = ["| trials | driver, MiB | all processes below it, MiB |", "|---|---|---|"]
    for mark, sample in results["marks"].items():
        lines.append(f"| {mark} | {sample['driver']:.0f} | {sum(sample['others'].values()):.0f} |")
    if results["growth"] is not None:
        lines += ["", f"from {MARKS[0]} to {MARKS[-1]} trials: {results['growth']:.3f}"]
    if results["seconds_per_trial"] is not None:
        lines.append(f"seconds per trial: {results['seconds_per_trial']:.3f}")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.memory", description=__doc__)
    parser.add_argument("--cells", type=count, default=20)
    parser.add_argument("--trials", type=count, default=105, help="in each cell (default: 105)")
    parser.add_argument("--out", type=Path, default=KEPT, metavar="FILE", help=f"default: {KEPT.relative_to(ROOT)}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
