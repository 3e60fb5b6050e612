"""The same trials through a sweep, through a bare loop, and through a stack assembled from the docs.

`python -m tests.benchmarks.trials` prints the table of README.md here and writes trials.json. Each run of an arm is a
new process in an empty folder, with an empty MLflow store. Rounds are interleaved: a slow spell of the machine meets
all arms alike.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks.arms import ARMS, TrialTimes
from tests.benchmarks.options import count
from tests.benchmarks.protocol import Protocol
from tests.benchmarks.summary import Measurement, measurement, summarise, tables
from tests.services.process import CommandFailedError, clean_environment, run_command
from trainable.errors import TrainableError

__all__ = ["main"]

ROOT = Path(__file__).parents[2]
KEPT = Path(__file__).parent / "results"
LIBRARIES = ("ray", "optuna", "mlflow", "torch", "transformers", "datasets", "accelerate", "numpy")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark. Returns 0, or 1 if an arm fails or does not run its trials to the end."""
    options = _parser().parse_args(arguments)
    protocol = Protocol(options.data, options.trials, options.slots)
    measurements: list[Measurement] = []
    try:
        for number in range(1, options.rounds + 1):
            for arm in options.arms:
                measurements.append(_measure(arm, number, protocol))
                _print(measurements[-1])
            _write(options, protocol, measurements)  # after each round, since something may interrupt an hour of them
    except (CommandFailedError, TrainableError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _measure(arm: str, number: int, protocol: Protocol) -> Measurement:
    with tempfile.TemporaryDirectory(prefix=f"benchmark-{arm}-") as scratch:
        folder = Path(scratch)
        command = ARMS[arm].command(protocol, folder)
        load = os.getloadavg()[0]
        run = run_command(command, folder=folder, environment=clean_environment(folder, ROOT))
        trials = ARMS[arm].trials(folder)
        _check(arm, trials, protocol)
        return measurement(arm, number, load=load, run=run, trials=trials, slots=protocol.slots)


def _check(arm: str, trials: Sequence[TrialTimes], protocol: Protocol) -> None:
    """Raise CommandFailedError unless the arm did all of the work: with less, it would seem fast."""
    expected = {rate: protocol.configs()[0].evaluations for rate in protocol.learning_rates()}
    found = {trial.learning_rate: len(trial.scores) for trial in trials}
    if found != expected or len(trials) != protocol.trials:
        raise CommandFailedError(f"{arm} must evaluate each learning rate this often: {expected}; found {found}")


def _print(done: Measurement) -> None:
    line = f"round {done.round}  {done.arm:<16} {done.wall:6.1f} s   idle {done.idle:.0%}"
    print(f"{line}   worker {done.worker_mib:.0f} MiB   load before {done.load:.1f}", flush=True)


def _write(options: argparse.Namespace, protocol: Protocol, measurements: Sequence[Measurement]) -> None:
    summary = summarise(measurements)
    results = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _machine(),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
        "trials": protocol.trials,
        "slots": protocol.slots,
        "first_trial": protocol.configs()[0].model_dump(mode="json", exclude={"dataset": {"path"}}),
        "summary": summary,
        "runs": [asdict(run) for run in measurements],
    }
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "trials.json"
    path.write_text(json.dumps(results, indent=2) + "\n")
    print(f"\n{tables(measurements, protocol.trials)}\n")
    print(f"scores equal those of the bare loop: {summary['scores_equal_those_of_the_bare_loop']}")
    print(f"written: {path}")
    if options.keep:
        KEPT.mkdir(exist_ok=True)
        shutil.copy(path, KEPT / "trials.json")


def _machine() -> dict[str, Any]:
    return {
        "system": platform.platform(),
        "cpu": _cpu_model(),
        "cpus": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_average": os.getloadavg(),
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.trials", description=__doc__)
    parser.add_argument("--rounds", type=count, default=3)
    parser.add_argument("--trials", type=count, default=12)
    parser.add_argument("--slots", type=count, default=2, help="trials at once, each on one thread (default: 2)")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "senteval", metavar="DIR")
    parser.add_argument(
        "--arms", type=_arms, default=["sweep", "bare", "assembled", "expert"], help=f"among {','.join(ARMS)}"
    )
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "benchmark", metavar="DIR")
    parser.add_argument("--keep", action="store_true", help=f"also write {KEPT.relative_to(ROOT)}/trials.json")
    return parser


def _arms(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in ARMS]
    if unknown or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"must be different names among {', '.join(ARMS)}; received {text!r}")
    return names


if __name__ == "__main__":
    sys.exit(main())
