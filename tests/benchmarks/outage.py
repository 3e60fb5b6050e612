"""The cost of an MLflow outage to a sweep, and whether `sweep sync` makes up for it.

`python -m tests.benchmarks.outage` runs the same sweep in turns with a real MLflow server, and with no server at its
address from start to end, and compares their wall times. Then `python -m sweep sync` pushes sweeps into empty servers,
and the content of two servers is compared run by run: a sweep that never had a server is pushed into two of them, and
one that had a server all the time into an empty one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.options import count
from tests.benchmarks.projection import ShownRun, differences, projection
from tests.benchmarks.summary import Spread
from tests.services.mlflow_server import Server, free_port
from tests.services.process import CommandFailedError, clean_environment, run_command
from tests.sweeps.tiny_task import TinyTask, machine, write_results

__all__ = ["Comparison", "Run", "main", "summarise"]

ROOT = Path(__file__).parents[2]
KEPT = Path(__file__).parent / "results" / "outage.json"
NAME = EXPERIMENT = "outage"
ALLOWED = 1.05
"""The largest ratio of a sweep's wall time without a server to that with one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One sweep.

    arm: `up` or `down`, the state of the server.
    round: from 1.
    load: the machine's load average (1 minute) before it.
    wall: seconds.
    """

    arm: str
    round: int
    load: float
    wall: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The contents of two stores of one sweep.

    what: which stores.
    runs: number of runs in the first store.
    points: number of points of all their metrics.
    artifacts: number of their files.
    differences: run and field of everything that is not equal.
    """

    what: str
    runs: int
    points: int
    artifacts: int
    differences: tuple[str, ...]

    @classmethod
    def of(cls, what: str, first: Mapping[str, ShownRun], second: Mapping[str, ShownRun]) -> Comparison:
        """Compare the runs of two stores, by name."""
        return cls(
            what=what,
            runs=len(first),
            points=sum(len(points) for run in first.values() for points in run.points.values()),
            artifacts=sum(len(run.artifacts) for run in first.values()),
            differences=tuple(differences(first, second)),
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark. Returns 0, or 1 if a sweep fails, is slower without a server, or is shown differently."""
    options = _parser().parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="benchmark-outage-") as scratch:
            results = _measure(Path(scratch), options)
    except CommandFailedError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"\n{_table(results)}\n")
    write_results(options.out, machine() | {"trials_per_cell": options.trials} | results)
    return 0 if results["met"] else 1


def summarise(runs: Sequence[Run], comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Return wall times by arm, the ratio of their medians, that of each round, and whether they meet the limits."""
    walls = {arm: [run.wall for run in runs if run.arm == arm] for arm in ("up", "down")}
    spreads = {arm: Spread.of(values) for arm, values in walls.items()}
    ratio = spreads["down"].median / spreads["up"].median
    return {
        "wall": {arm: asdict(spread) for arm, spread in spreads.items()},
        "ratio": ratio,
        "ratio_by_round": [down / up for up, down in zip(walls["up"], walls["down"], strict=True)],
        "met": ratio <= ALLOWED and not any(comparison.differences for comparison in comparisons),
        "comparisons": [asdict(comparison) for comparison in comparisons],
        "runs": [asdict(run) for run in runs],
    }


def _measure(scratch: Path, options: argparse.Namespace) -> dict[str, Any]:
    task = TinyTask(scratch)
    task.write()
    runs = []
    for number in range(1, options.rounds + 1):
        for arm in ("up", "down") if number % 2 else ("down", "up"):  # so that neither arm is always the second one
            runs.append(_run(task, arm, number, options.trials))
            print(f"round {number}  {arm:<4}  {runs[-1].wall:6.1f} s   load before {runs[-1].load:.1f}", flush=True)
    return summarise(runs, list(_comparisons(scratch, options.rounds)))


def _run(task: TinyTask, arm: str, number: int, trials: int) -> Run:
    folder = _folder(task.folder, arm, number)
    folder.mkdir()
    task.write_spec(
        folder / "spec.yaml",
        NAME,
        compare={"dataset": ["films"], "shots": [4], "loss": ["cross_entropy", "soft_triple"]},
        protocol={"replicates": 2, "evaluations": 2, "steps": 150, "validation": 20},
        budget={"trials_per_cell": trials, "concurrency": 1},  # leaves a core to the server
        confirm={"draws": 4, "reseeded": 1},
        tracking={"experiment": EXPERIMENT, "required": False},
    )
    if arm == "down":
        return _timed(folder, f"http://127.0.0.1:{free_port()}", arm, number)
    with _server(folder) as server:
        return _timed(folder, server.url, arm, number)


def _timed(folder: Path, url: str, arm: str, number: int) -> Run:
    load = os.getloadavg()[0]
    wall = _sweep(folder, url, "run", "spec.yaml")
    return Run(arm=arm, round=number, load=load, wall=wall)


def _comparisons(scratch: Path, last: int) -> Iterator[Comparison]:
    down, up = _folder(scratch, "down", last), _folder(scratch, "up", last)
    yield Comparison.of(
        "never a server: pushed by `sync` into two empty ones",
        _synced(down, scratch / "first"),
        _synced(down, scratch / "second"),
    )
    with _server(up) as server:
        live = projection(server.url, EXPERIMENT)
    yield Comparison.of(
        "a server all the time, and an empty one that got the same sweep by `sync`",
        live,
        _synced(up, scratch / "third"),
    )


def _synced(folder: Path, copy: Path) -> dict[str, ShownRun]:
    """Return the content of an empty server after `sync` of a copy, since a sync records its runs in the ledger."""
    shutil.copytree(folder / "sweeps", copy / "sweeps")
    with _server(copy) as server:
        _sweep(copy, server.url, "sync", NAME)
        return projection(server.url, EXPERIMENT)


def _sweep(folder: Path, url: str, *arguments: str) -> float:
    """Run a command of the service and return its wall time in seconds."""
    environment = clean_environment(folder, ROOT) | {"MLFLOW_TRACKING_URI": url}
    return run_command([sys.executable, "-m", "sweep", *arguments], folder=folder, environment=environment).wall


@contextmanager
def _server(folder: Path) -> Iterator[Server]:
    """Run an MLflow server on the data in `folder`, empty or left by an earlier server."""
    store = folder / "mlflow"
    store.mkdir(exist_ok=True)
    server = Server(store, f"sqlite:///{store}/mlflow.db", free_port())
    try:
        server.start()
        yield server
    finally:
        server.kill()


def _folder(scratch: Path, arm: str, number: int) -> Path:
    return scratch / f"{arm}-{number}"


def _table(results: Mapping[str, Any]) -> str:
    lines = ["| MLflow server | wall time, s | in units of `up` |", "|---|---|---|"]
    for arm, ratio in (("up", 1.0), ("down", results["ratio"])):
        lines.append(f"| {arm} | {Spread(**results['wall'][arm]).shown('.1f')} | {ratio:.3f} |")
    lines += ["", "| compared | runs | points | artifacts | differences |", "|---|---|---|---|---|"]
    for comparison in results["comparisons"]:
        numbers = (*(comparison[name] for name in ("runs", "points", "artifacts")), len(comparison["differences"]))
        lines.append(f"| {comparison['what']} | {' | '.join(map(str, numbers))} |")
    shown = [line for comparison in results["comparisons"] for line in comparison["differences"][:10]]
    return "\n".join(lines + shown)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.outage", description=__doc__)
    parser.add_argument("--rounds", type=count, default=3)
    parser.add_argument("--trials", type=count, default=16, help="in each of the two cells (default: 16)")
    parser.add_argument("--out", type=Path, default=KEPT, metavar="FILE", help=f"default: {KEPT.relative_to(ROOT)}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
