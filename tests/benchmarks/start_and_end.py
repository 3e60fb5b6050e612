"""How long a person waits: for the help, a plan of large files, the first training, and after the last one.

    python -m tests.benchmarks.start_and_end [--against CHECKOUT]

- `python -m sweep --help`, as a median of nine.
- `python -m sweep plan` of 30,000 rows to draw from and 60,000 to test on: until it says what it times, and to its end.
- `python -m sweep run quickstart` with two trials in each cell and four draws: from the start of the command to the
  moment at which the first training begins, and from the last evaluation on record to the end of the command, within
  which the report is written and MLflow gets the rest. The second of two such sweeps: what the first one left in the
  caches of the system and of the embeddings is there, as on a machine that is used. With `--against`, the same of
  another checkout, by turns.

Kept in `tests/benchmarks/results/start_and_end.json`. Four minutes on two cores with nothing beside it, and seven with
`--against`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from sweep.ledger.stored import read_stored
from tests.services.process import clean_environment, run_command
from tests.sweeps.tiny_task import machine, write_results

__all__ = ["main", "waits"]

ROOT = Path(__file__).parents[2]
KEPT = Path(__file__).parent / "results" / "start_and_end.json"
POOL, TEST = 30_000, 60_000
_SMALL = ("budget.trials_per_cell=2", "confirm.draws=4")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and keep it."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.start_and_end", description=__doc__)
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="another checkout, whose sweeps run by turns")
    other = parser.parse_args(arguments).against
    with tempfile.TemporaryDirectory(prefix="start-and-end-") as folder:
        scratch = Path(folder)
        environment = clean_environment(scratch / "home", ROOT)
        found: dict[str, Any] = {
            "machine": machine(),
            "help_s": _help(environment),
            "plan": _plan(scratch, environment),
        }
        checkouts = {"run": ROOT} | ({"run_of_the_other": other.resolve()} if other else {})
        for number, (arm, checkout) in product((1, 2), checkouts.items()):
            environment = clean_environment(scratch / "home", checkout)
            found.setdefault(arm, []).append(_run(scratch / f"{arm}-{number}", environment))
    write_results(KEPT, found)


def waits(folder: Path, name: str, started: float, ended: float) -> dict[str, float]:
    """Seconds until the first training of a sweep begins, of training, and from its last evaluation to the end.

    started, ended: of the command, in seconds since the epoch.
    """
    results = read_stored(name, folder)[1].results()
    ends = [(each.time, each.evaluation.seconds) for trial in results.trials for each in trial.evaluations]
    ends += [(each.time, each.evaluation.seconds) for record in results.confirmations for each in record.replicates]
    first, last = min(end - seconds for end, seconds in ends), max(end for end, _ in ends)
    return {
        "to_the_first_training_s": round(first - started, 2),
        "trainings_s": round(last - first, 2),
        "after_the_last_s": round(ended - last, 2),
    }


def _help(environment: Mapping[str, str]) -> float:
    times = []
    for _ in range(9):
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "sweep", "--help"], env=dict(environment), capture_output=True, check=True
        )
        times.append(time.perf_counter() - began)
    return round(median(times), 3)


def _plan(scratch: Path, environment: Mapping[str, str]) -> dict[str, float]:
    """Sentences of a few words of which a number makes each different, in two classes."""
    for name, rows, word in (("train", POOL, "film"), ("test", TEST, "play")):
        lines = (f"the {word} {row} is {'good' if row % 2 else 'bad'},{row % 2}" for row in range(rows))
        (scratch / f"{name}.csv").write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    spec = {
        "name": "large",
        "datasets": {"large": {"path": str(scratch / "train.csv"), "test_path": str(scratch / "test.csv")}},
        "compare": {"dataset": ["large"], "shots": [8], "recipe": ["frozen", "fine_tune"], "loss": ["cross_entropy"]},
        "trial": {"encoder": "all-MiniLM-L6-v2"},
        "resources": {"gpu": 0},
    }
    (scratch / "large.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    command = [sys.executable, "-u", "-m", "sweep", "plan", "large.yaml"]
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=scratch, env=dict(environment), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None, "it is a pipe"
        first = next(_times(process.stdout, began))
        process.stdout.read()
    assert process.returncode == 0, "the plan was refused"
    return {"first_line_s": round(first, 2), "whole_s": round(time.perf_counter() - began, 2)}


def _times(output: Any, began: float) -> Iterator[float]:
    for _ in output:
        yield time.perf_counter() - began


def _run(folder: Path, environment: Mapping[str, str]) -> dict[str, float]:
    folder.mkdir()
    words = [word for value in _SMALL for word in ("--set", value)]
    command = [sys.executable, "-m", "sweep", "run", "quickstart", *words]
    given = {**environment, "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
    done = run_command(command, folder=folder, environment=given)
    return {"wall_s": round(done.wall, 2), **waits(folder / "sweeps", "quickstart", done.started, done.ended)}


if __name__ == "__main__":
    main()
