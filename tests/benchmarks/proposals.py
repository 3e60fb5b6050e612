"""What the proposal of a trial costs when its cell has a thousand or two thousand trials already.

`python -m tests.benchmarks.proposals` fills the ledger of a sweep, a journal file, and a study of stock Optuna in
memory with the same trials, and then asks both in turns for further ones. Measured is the processor time of the
process: nothing else is computed meanwhile, and other work on the machine does not count. The ledger's part includes
the record of each trial; the proposal alone stands beside it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import optuna
from optuna.search_space import IntersectionSearchSpace
from optuna.trial import FrozenTrial

from sweep.ledger.ledger import Ledger
from sweep.ledger.storage import open_storage
from sweep.search.sampler import propose, sampler, suggest
from sweep.spec.cells import Cell
from tests.benchmarks.options import count
from tests.sweeps.past_trials import past_trials, searched_cell
from tests.sweeps.tiny_task import machine, write_results

__all__ = ["main", "measure"]

ROOT = Path(__file__).parents[2]
KEPT = Path(__file__).parent / "results" / "proposals.json"
SPACES = ("one loss", "searched loss")
NUMBERS = (1000, 2000)
RUNNING = 8
ALLOWED = 1.3
"""The largest ratio of the ledger's time for a proposal to stock Optuna's."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark. Returns 0, or 1 if a proposal takes more than `ALLOWED` times as long as stock Optuna's."""
    options = _parser().parse_args(arguments)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    found = [measure(space, number, options.asks) for space in SPACES for number in NUMBERS]
    print(_table(found))
    write_results(options.out, machine() | {"unit": "seconds of processor time", "spaces": found})
    return 0 if all(each["ratio"] <= ALLOWED for each in found) else 1


def measure(space: str, number: int, asks: int) -> dict[str, Any]:
    """Return the seconds of each of `asks` proposals after `number` trials, by arm, and the ratio of medians."""
    cell = searched_cell(space)
    earlier = past_trials(cell, number, running=RUNNING)
    with tempfile.TemporaryDirectory(prefix="benchmark-proposals-") as scratch:
        arms = {
            "stock": _stock(cell, earlier),
            "ledger": _ledger(cell, earlier, Path(scratch)),
            "proposal": _proposal(cell, earlier),
        }
        times: dict[str, list[float]] = {name: [] for name in arms}
        for _ in range(asks + 1):
            for name, ask in arms.items():
                began = time.process_time()
                ask()
                times[name].append(time.process_time() - began)
    medians = {name: median(each[1:]) for name, each in times.items()}  # the first one reads all trials
    ratio = medians["ledger"] / medians["stock"]
    return {"space": space, "trials": number, "median": medians, "ratio": ratio, "seconds": times}


def _stock(cell: Cell, earlier: Sequence[FrozenTrial]) -> Callable[[], object]:
    study = optuna.create_study(direction="maximize", sampler=sampler(0, cell, len(earlier), budget=10_000))
    study.add_trials(earlier)
    return lambda: suggest(study.ask(), cell)


def _ledger(cell: Cell, earlier: Sequence[FrozenTrial], folder: Path) -> Callable[[], object]:
    storage = open_storage(folder / "ledger.journal", write=True)
    ledger = Ledger(storage, "proposals")
    ledger.begin({"name": "proposals"}, [cell], {})
    study = storage.get_study_id_from_name(f"proposals/{cell.key}")
    for trial in earlier:
        storage.create_new_trial(study, template_trial=trial)
    return lambda: ledger.ask(cell, seed=0, budget=10_000)


def _proposal(cell: Cell, earlier: Sequence[FrozenTrial]) -> Callable[[], object]:
    common = IntersectionSearchSpace(include_pruned=True)
    return lambda: propose(cell, earlier, seed=0, budget=10_000, common=common)


def _table(found: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        "| space | trials | stock Optuna, ms | the ledger, ms | its proposal alone, ms | ratio |",
        "|---" * 6 + "|",
    ]
    for each in found:
        times = " | ".join(f"{1000 * each['median'][arm]:.0f}" for arm in ("stock", "ledger", "proposal"))
        lines.append(f"| {each['space']} | {each['trials']} | {times} | {each['ratio']:.2f} |")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.proposals", description=__doc__)
    parser.add_argument("--asks", type=count, default=15, help="proposals of each arm (default: 15)")
    parser.add_argument("--out", type=Path, default=KEPT, metavar="FILE", help=f"default: {KEPT.relative_to(ROOT)}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
