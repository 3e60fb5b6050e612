"""What the driver of a large sweep costs: evaluations recorded a second, occupancy, growth of cost and memory.

`python -m tests.benchmarks.driver` runs a sweep of thousands of trials through the real dispatcher, the real ledger in
a journal file and the real projection into an MLflow server of its own. Only the trainings are simulated: an evaluation
has a random score, and the clock of the slots is moved forward instead of waited for. The driver takes part in that
simulation: an event occupies it for the processor time that it took its thread here, and a slot whose evaluation comes
in meanwhile waits. Waiting for the disk is not in it, nor other work on the machine. Then `status`, `report`, `export`
and a resume of that sweep are run as commands.
"""

from __future__ import annotations

import argparse
import heapq
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

import psutil  # type: ignore[import-untyped]
import yaml

from sweep.ledger.directory import SweepDirectory
from sweep.ledger.ledger import Ledger
from sweep.ledger.provenance import data_records, environment
from sweep.ledger.stored import open_ledger
from sweep.records.sweep import SweepState
from sweep.scheduling.assignment import Assignment
from sweep.scheduling.dispatcher import Dispatcher
from sweep.spec.cells import Cell, cells
from sweep.spec.inputs import digest_inputs
from sweep.spec.model import SweepSpec
from sweep.spec.reader import load_spec
from sweep.tracking import Tracker
from tests.benchmarks.options import count
from tests.services.mlflow_server import Server, free_port
from tests.services.process import CommandFailedError, clean_environment, run_command
from tests.sweeps.tiny_task import TinyTask, machine, write_results
from trainable.outcomes import Evaluation

__all__ = ["main", "simulate"]

ROOT = Path(__file__).parents[2]
KEPT = Path(__file__).parent / "results" / "driver.json"
NAME = "driver"
_T = TypeVar("_T")
COMMANDS = ("status", "report", "export")


@dataclass(slots=True)
class Simulation:
    """Slots that train, and a driver that serves one of them at a time.

    dispatcher: the driver's.
    seconds: that a whole trial trains, divided equally among its evaluations.
    busy, trained: seconds of the driver's work, and of all slots' training.
    costs: of each recorded evaluation, seconds of the driver.
    memory: MiB of this process, by number of trials that have ended.
    """

    dispatcher: Dispatcher
    seconds: float
    chance: random.Random = field(default_factory=lambda: random.Random(0))
    now: float = 0.0
    busy: float = 0.0
    trained: float = 0.0
    ended: int = 0
    costs: list[tuple[int, float]] = field(default_factory=list)
    memory: dict[int, float] = field(default_factory=dict)
    _arrivals: list[tuple[float, int, Assignment, int]] = field(default_factory=list)

    def run(self, every: int) -> None:
        """Train until nothing is left. every: trials between two looks at the memory."""
        for slot in range(self.dispatcher.slots):
            self._begin(slot)
        while self._arrivals:
            arrival, slot, assignment, number = heapq.heappop(self._arrivals)
            self.now = max(self.now, arrival)
            ends, cost = self._served(partial(self.dispatcher.record, assignment.key, self._scored(assignment, number)))
            self.costs.append((self.ended, cost))
            if not ends:
                self._train(slot, assignment, number + 1)
                continue
            self.ended += 1
            if self.ended % every == 0:
                self.memory[self.ended] = psutil.Process().memory_info().rss / 2**20
                print(f"{self.ended} trials, {self.now:.0f} s simulated, {self.busy:.1f} s of the driver", flush=True)
            self._begin(slot)

    def _begin(self, slot: int) -> None:
        assignment, _ = self._served(self.dispatcher.next)
        if assignment is not None:
            self._train(slot, assignment, assignment.first * assignment.config.evaluations + 1)

    def _train(self, slot: int, assignment: Assignment, number: int) -> None:
        config = assignment.config
        step = self.seconds / (config.replicates * config.evaluations)
        self.trained += step
        heapq.heappush(self._arrivals, (self.now + step, slot, assignment, number))

    def _scored(self, assignment: Assignment, number: int) -> Evaluation:
        replicate, point = divmod(number - 1, assignment.config.evaluations)
        metrics = {"val_accuracy": self.chance.random(), "val_macro_f1": self.chance.random(), "train_loss": 0.5}
        return Evaluation(draw=replicate, replicate=replicate, point=point + 1, step=point + 1, metrics=metrics)

    def _served(self, act: Callable[[], _T]) -> tuple[_T, float]:
        """What an act of the driver gives, and what it cost: the clock moves on by so much."""
        began = time.thread_time()
        done = act()
        cost = time.thread_time() - began
        self.busy += cost
        self.now += cost
        return done, cost


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark. Returns 0, or 1 if a command on the sweep fails."""
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="benchmark-driver-") as scratch:
        try:
            results = simulate(Path(scratch), options)
        except CommandFailedError as error:
            print(error, file=sys.stderr)
            return 1
    write_results(options.out, machine() | results)
    return 0


def simulate(scratch: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return what a sweep of `options.cells` cells with `options.trials` trials each costs its driver."""
    spec = _spec(scratch, options)
    directory, grid = SweepDirectory(scratch / "sweeps" / NAME), cells(spec)
    with _mlflow(scratch, spec, options.mlflow) as uri:
        ledger = _begun(spec, grid, directory)
        tracker = Tracker(ledger, experiment=NAME, uri=uri, required=True) if uri else None
        dispatcher = Dispatcher(
            ledger, spec, grid, slots=options.slots, changed=tracker.notify if tracker else lambda key: None
        )
        began, processor = time.monotonic(), time.process_time()
        if tracker is not None:
            tracker.start()
        dispatcher.start()
        simulation = Simulation(dispatcher, options.seconds)
        simulation.run(every=max(1, options.cells * options.trials // 20))
        wall = time.monotonic() - began
        ledger.end(SweepState.FINISHED)
        closing = time.monotonic()
        projection = str(tracker.close(timeout=options.closing)) if tracker else "no MLflow"
        results = _results(simulation, options) | {
            "wall": wall,
            "processor": time.process_time() - processor,
            "closing": time.monotonic() - closing,
            "projection": projection,
        }
        print(results["projection"])
        results["commands"] = dict(_commands(scratch))
    return results


def _results(simulation: Simulation, options: argparse.Namespace) -> dict[str, Any]:
    trials, costs = simulation.ended, simulation.costs
    tenth = max(1, trials // 10)
    early = [cost for ended, cost in costs if tenth <= ended < 2 * tenth]
    late = [cost for ended, cost in costs if ended >= trials - tenth]
    results = {
        "trials": trials,
        "evaluations": len(costs),
        "slots": options.slots,
        "evaluations_per_second": len(costs) / sum(cost for _, cost in costs),
        "proposal_ms": 1000 * (simulation.busy - sum(cost for _, cost in costs)) / trials,
        "occupancy": simulation.trained / (options.slots * simulation.now),
        "record_early_ms": 1000 * fmean(early),
        "record_late_ms": 1000 * fmean(late),
        "memory_mib": simulation.memory,
    }
    for name, value in results.items():
        print(f"{name}: {value}")
    return results


def _commands(scratch: Path) -> Iterator[tuple[str, dict[str, float]]]:
    """Of each command on the sweep, its wall time and its processor time."""
    environment = clean_environment(scratch, ROOT) | {"OMP_NUM_THREADS": "1"}
    for command in (*COMMANDS, "resume"):
        words = ["run", "spec.yaml"] if command == "resume" else [command, NAME]
        words += ["export.json"] if command == "export" else []
        before = os.times()
        done = run_command([sys.executable, "-m", "sweep", *words], folder=scratch, environment=environment)
        after = os.times()
        used = after.children_user + after.children_system - before.children_user - before.children_system
        print(f"{command}: {done.wall:.1f} s, {used:.1f} s of processor time", flush=True)
        yield command, {"wall": done.wall, "processor": used}


def _spec(scratch: Path, options: argparse.Namespace) -> SweepSpec:
    task = TinyTask(scratch)
    task.write()
    task.write_spec(
        scratch / "spec.yaml",
        NAME,
        compare={
            "dataset": ["films"],
            "shots": [2],
            "loss": ["soft_triple"],
            "weight_decay": [number / 100 for number in range(options.cells)],
        },
        protocol={"replicates": 2, "evaluations": 2, "steps": 2, "validation": 4},
        budget={"trials_per_cell": options.trials},
        pruning={"rule": "asha"},
        confirm={"draws": 0},
        tracking={"experiment": NAME, "required": False, "uri": f"http://127.0.0.1:{free_port()}"},
    )
    return load_spec(scratch / "spec.yaml")


def _begun(spec: SweepSpec, grid: Sequence[Cell], directory: SweepDirectory) -> Ledger:
    directory.create()
    ledger = open_ledger(spec, directory, write=True)
    ledger.begin(spec.resolved(), grid, environment(), data_records(grid), digest_inputs(grid))
    directory.write_spec(yaml.safe_dump(spec.resolved(), sort_keys=False, allow_unicode=True))
    return ledger


@contextmanager
def _mlflow(scratch: Path, spec: SweepSpec, wanted: bool) -> Iterator[str]:
    if not wanted:
        yield ""
        return
    store = scratch / "mlflow"
    store.mkdir()
    uri = str(spec.tracking.uri)
    server = Server(store, f"sqlite:///{store}/mlflow.db", int(uri.rpartition(":")[2]))
    try:
        server.start()
        yield uri
    finally:
        server.kill()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.driver", description=__doc__)
    parser.add_argument("--cells", type=count, default=20)
    parser.add_argument("--trials", type=count, default=500, help="in each cell (default: 500)")
    parser.add_argument("--slots", type=count, default=64)
    parser.add_argument("--seconds", type=float, default=10.0, help="that a trial trains (default: 10)")
    parser.add_argument("--closing", type=float, default=600.0, metavar="S", help="seconds that MLflow may lag behind")
    parser.add_argument("--no-mlflow", dest="mlflow", action="store_false", help="the ledger alone")
    parser.add_argument("--out", type=Path, default=KEPT, metavar="FILE", help=f"default: {KEPT.relative_to(ROOT)}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
