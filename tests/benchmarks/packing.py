"""The speed of a whole sweep with more trials at once, and whether its results change.

`python -m tests.benchmarks.packing [SPEC]` runs the sweep of a spec once for each of the settings `--at`, from start to
end with Ray and MLflow. It prints the wall times, the seconds until the first trial ended, and how many of the values
that a sweep shares with that of the first setting are equal to the last bit. With more trials at once, pruning decides
on other scores, so a sweep may train other trials than the first one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sweep.ledger.stored import read_stored
from sweep.records.results import SweepResults
from sweep.spec.reader import load_spec
from tests.services.process import CommandFailedError, clean_environment, run_command
from tests.sweeps.tiny_task import machine, write_results

__all__ = ["PackedRun", "main", "packed_run", "values"]

ROOT = Path(__file__).parents[2]
KEPT = Path(__file__).parent / "results" / "packing.json"
ON_A_GPU = ("resources.gpu=1", "resources.gpu=0.5", "resources.gpu=0.25")
ON_CPUS = ("resources.cpu=2", "resources.cpu=1")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedRun:
    """The results of one sweep.

    setting: what differs between the sweeps, as `KEY=VALUE`.
    trained_on: devices and precisions.
    trials: number of trials.
    wall: seconds of the command.
    first: seconds until the first trial had ended.
    shared: number of values that both this sweep and the first one have trained.
    equal: how many of them are equal.
    """

    setting: str
    trained_on: tuple[str, ...]
    trials: int
    wall: float
    first: float
    shared: int
    equal: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark. Returns 0, or 1 if a sweep fails."""
    options = _parser().parse_args(arguments)
    runs: list[PackedRun] = []
    try:
        with tempfile.TemporaryDirectory(prefix="benchmark-packing-") as scratch:
            for run in _runs(Path(scratch), options):
                runs.append(run)
                print(f"{run.setting:<20}  {run.wall:6.1f} s", flush=True)
    except CommandFailedError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"\n{_table(runs)}\n")
    changes = {"spec": options.spec, "set": options.set}
    write_results(options.out, machine() | changes | {"runs": [asdict(run) for run in runs]})
    return 0


def packed_run(
    setting: str, results: SweepResults, reference: Mapping[tuple[Any, ...], float], *, began: float, wall: float
) -> PackedRun:
    """Summarise a sweep. reference: the values of the first sweep. began: its start, in seconds since the epoch."""
    found = values(results)
    shared = found.keys() & reference.keys()
    return PackedRun(
        setting=setting,
        trained_on=tuple(sorted({device for trial in results.trials for device in trial.trained_on})),
        trials=len(results.trials),
        wall=wall,
        first=min(trial.ended for trial in results.trials if trial.ended is not None) - began,
        shared=len(shared),
        equal=sum(found[key] == reference[key] for key in shared),
    )


def values(results: SweepResults) -> dict[tuple[Any, ...], float]:
    """Return every metric but seconds by configuration, draw, initialisation, step and name.

    The key has the configuration and not the trial's number, since the order of proposals depends on that of results.
    """
    evaluations = [
        (str(trial.config.flat()), entry.evaluation) for trial in results.trials for entry in trial.evaluations
    ]
    for record in results.confirmations:
        evaluations += [(str(record.config.flat()), entry.evaluation) for entry in record.replicates]
    return {
        (config, evaluation.draw, evaluation.initialisation, evaluation.step, name): value
        for config, evaluation in evaluations
        for name, value in evaluation.metrics.items()
        if not name.endswith("_seconds")
    }


def _runs(scratch: Path, options: argparse.Namespace) -> Iterator[PackedRun]:
    name = load_spec(options.spec, options.set).name
    spec = str(Path(options.spec).resolve()) if Path(options.spec).exists() else options.spec
    reference: dict[tuple[Any, ...], float] = {}
    for number, setting in enumerate(options.at):
        folder = scratch / str(number)
        folder.mkdir()
        changes = [word for change in (*options.set, setting) for word in ("--set", change)]
        command = [sys.executable, "-m", "sweep", "run", spec, *changes]
        environment = clean_environment(folder, ROOT)
        del environment["CUDA_VISIBLE_DEVICES"]
        measured = run_command(command, folder=folder, environment=environment)
        results = read_stored(name, folder / "sweeps")[1].results()
        reference = reference or values(results)
        yield packed_run(setting, results, reference, began=measured.started, wall=measured.wall)


def _table(runs: Sequence[PackedRun]) -> str:
    lines = [
        "| trials at once | on | trials | wall time | in units of the first | first trial ended | equal values |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{run.setting}` | {', '.join(run.trained_on)} | {run.trials} | {run.wall:.0f} s | "
        f"{run.wall / runs[0].wall:.2f} | {run.first:.0f} s | {run.equal} of {run.shared} |"
        for run in runs
    ]
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.packing", description=__doc__)
    parser.add_argument("spec", nargs="?", default="quickstart", help="a YAML file, or a preset (default: quickstart)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as for `sweep run`")
    parser.add_argument("--at", nargs="+", default=_settings(), metavar="KEY=VALUE", help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=KEPT, metavar="FILE", help=f"default: {KEPT.relative_to(ROOT)}")
    return parser


def _settings() -> tuple[str, ...]:
    import torch

    return ON_A_GPU if torch.cuda.is_available() else ON_CPUS


if __name__ == "__main__":
    sys.exit(main())
