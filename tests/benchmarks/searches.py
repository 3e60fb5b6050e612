"""Which search finds better classifiers in fewer trials: random, TPE as a sweep searches, or TPE with a warm start.

    python -m tests.benchmarks.searches measure --data DIR --seeds 12
    python -m tests.benchmarks.searches measure --data DIR --method metric_then_head+supcon --seeds 4
    python -m tests.benchmarks.searches table

Real searches on TREC, CR and MR (8 labels per class, all-MiniLM-L6-v2), with the sampler of the service. A trial is
scored on a few draws by validation rows, as in a sweep; the one that is chosen is then judged by the test part on draws
that no search sees (`METHODS`: fewer for a method that trains). Each seed has draws of its own. A warm start takes what
`search.warm_start` would take from finished searches of the same seed on the other two tasks. A search is a line of
`results/searches.jsonl`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from statistics import fmean, stdev
from typing import Literal

from sweep.display.formats import counted
from sweep.records.trial import TrialRecord
from sweep.search.sampler import propose, suggest
from sweep.search.warm_start import FirstTrial, first_trials
from sweep.spec.cells import Cell, cells
from sweep.spec.model import SweepSpec
from tests.benchmarks.options import count
from trainable.config import TrialConfig
from trainable.outcomes import Outcome
from trainable.ranges import Scalar

__all__ = [
    "METHODS",
    "SEARCHES",
    "Method",
    "Score",
    "Search",
    "cell_of",
    "found_by",
    "read",
    "searched",
    "table",
    "to_longest",
]

RESULTS = Path(__file__).parent / "results" / "searches.jsonl"
TASKS = ("trec", "cr", "mr")
SEARCHES = ("random", "TPE", "TPE, warm start")
FIRST_JUDGED = 60_000  # draws of no search here or elsewhere

Score = Callable[[TrialConfig], float]
"""Called as score(config) -> validation accuracy, the mean over the draws of a search."""


@dataclass(frozen=True, slots=True)
class Method:
    """What is searched.

    compare, trial, protocol: of the sweep's spec. draws: that score a trial. judged: draws that judge what is chosen.
    budgets: numbers of trials of the searches.
    """

    compare: Mapping[str, Sequence[str]]
    trial: Mapping[str, Scalar] = field(default_factory=dict)
    protocol: Mapping[str, Scalar] = field(default_factory=dict)
    draws: int = 4
    judged: int = 20
    budgets: Sequence[int] = (4, 8, 16, 32)


METHODS: Mapping[str, Method] = {
    "frozen": Method({"recipe": ["frozen"]}),
    "metric_then_head+supcon": Method(
        {"recipe": ["metric_then_head"], "loss": ["supcon"]},
        trial={"embedding": "mean", "max_length": 48, "batch_size": 16},
        protocol={"steps": 24, "evaluations": 1},
        draws=2,
        judged=5,
        budgets=(8, 16, 32),
    ),
}


@dataclass(frozen=True, slots=True)
class Search:
    """One search, and the test accuracy of the configuration that it chose."""

    task: str
    search: str
    budget: int
    seed: int
    accuracy: float
    method: str = "frozen"


def cell_of(data: str, task: str, method: Method = METHODS["frozen"]) -> Cell:
    """Return the cell of a method on a task, with the ranges that a new sweep has."""
    (found,) = cells(
        SweepSpec.model_validate(
            {
                "name": "searches",
                "datasets": {task: {"path": data, "senteval": task.upper()}},
                "compare": {"dataset": [task], "shots": [8], **method.compare},
                "trial": {"encoder": "all-MiniLM-L6-v2", **method.trial},
                "protocol": {"validation": 200, "replicates": method.draws, **method.protocol},
            }
        )
    )
    return found


def searched(
    cell: Cell, search: str, *, budget: int, seed: int, score: Score, first: Sequence[FirstTrial] = ()
) -> list[TrialRecord]:
    """Return the trials of one search of a cell, one after the other, as a ledger would have them.

    first: what a warm start suggests.
    """
    import optuna

    sampler = optuna.samplers.RandomSampler(seed=seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    suggestions = [each.params for each in first]
    records: list[TrialRecord] = []
    for number in range(budget):
        if search == "random":
            params = suggest(study.ask(), cell)
        else:
            earlier = study.get_trials(deepcopy=False)
            proposed, params = propose(cell, earlier, seed=seed, budget=budget, first=suggestions)
        config = cell.config(params)
        value = score(config)
        if search != "random":
            proposed.state, proposed.values = optuna.trial.TrialState.COMPLETE, [value]
            proposed.datetime_complete = proposed.datetime_start
            study.add_trial(proposed)
        records.append(_record(cell, number, params, config, value))
    return records


def _record(cell: Cell, number: int, params: Mapping[str, Scalar], config: TrialConfig, score: float) -> TrialRecord:
    return TrialRecord(
        cell=cell.key,
        number=number,
        params=params,
        config=config,
        started=0.0,
        outcome=Outcome.COMPLETED,
        score=score,
    )


def found_by(data: str, seed: int, name: str = "frozen") -> list[Search]:
    """Run every search of a seed on every task."""
    method = METHODS[name]
    scored = _Accuracies(range(1000 + method.draws * seed, 1000 + method.draws * (seed + 1)), "validation")
    judged = _Accuracies(range(FIRST_JUDGED, FIRST_JUDGED + method.judged), "test")
    grid = {task: cell_of(data, task, method) for task in TASKS}
    longest = max(method.budgets)
    finished = {task: searched(cell, "TPE", budget=longest, seed=seed, score=scored) for task, cell in grid.items()}
    found = []
    for task, cell in grid.items():
        others = {other: trials for other, trials in finished.items() if other != task}
        for budget in method.budgets:
            for search in SEARCHES:
                first = first_trials(cell, others, budget) if search == SEARCHES[2] else ()
                trials = searched(cell, search, budget=budget, seed=seed, score=scored, first=first)
                best = max(trials, key=lambda trial: (trial.score or 0.0, -trial.number))
                found.append(Search(task, search, budget, seed, round(judged(best.config), 5), name))
    return found


class _Accuracies:
    """The mean accuracy of a configuration over some draws; each is trained once."""

    def __init__(self, draws: Sequence[int], part: Literal["validation", "test"]) -> None:
        self._draws, self._part = tuple(draws), part
        self._known: dict[str, float] = {}

    def __call__(self, config: TrialConfig) -> float:
        key = json.dumps(config.flat(), sort_keys=True)
        if key not in self._known:
            self._known[key] = _accuracy(config, self._draws, self._part)
        return self._known[key]


def _accuracy(config: TrialConfig, draws: tuple[int, ...], part: Literal["validation", "test"]) -> float:
    import torch

    from trainable.training import replicates

    torch.set_num_threads(1)
    found = []
    for each in replicates(config, draws=draws, part=part):
        if each.outcome is Outcome.FAILED:
            raise RuntimeError(f"{config.flat()}: {each.reason}\n{each.detail}")
        found.append(each.metrics["test_accuracy" if part == "test" else "val_accuracy"])
    return fmean(found)


def read(path: Path = RESULTS) -> list[Search]:
    """Return the searches that are kept in a file; none if there is no file."""
    if not path.exists():
        return []
    return [Search(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def table(known: Sequence[Search]) -> str:
    """Return the mean test accuracy of what each search chose, in %, by task and budget, with the standard error of its
    difference to random search over the seeds."""
    tasks = list(dict.fromkeys(each.task for each in known))
    budgets = sorted({each.budget for each in known})
    lines = [
        "| search | " + " | ".join(f"{task.upper()}, {budget}" for task in tasks for budget in budgets) + " |",
        "|---" + "|---:" * (len(tasks) * len(budgets)) + "|",
    ]
    for search in dict.fromkeys(each.search for each in known):
        entries = [_entry(known, task, search, budget) for task in tasks for budget in budgets]
        lines.append(f"| {search} | {' | '.join(entries)} |")
    return "\n".join(lines)


def _entry(known: Sequence[Search], task: str, search: str, budget: int) -> str:
    @cache
    def by_seed(name: str) -> dict[int, float]:
        of = (each for each in known if (each.task, each.search, each.budget) == (task, name, budget))
        return {each.seed: 100 * each.accuracy for each in of}

    own, random = by_seed(search), by_seed(SEARCHES[0])
    shown = f"{fmean(own.values()):.1f}"
    apart = [own[seed] - random[seed] for seed in own if seed in random]
    if search == SEARCHES[0] or len(apart) < 2:
        return shown
    return f"{shown} ({stdev(apart) / len(apart) ** 0.5:.1f})"


def to_longest(known: Sequence[Search]) -> str:
    """Return what each search, with each number of trials, is behind random search with the most trials: the mean over
    the tasks of the differences in test accuracy, in points, with its standard error over the seeds."""
    budgets = sorted({each.budget for each in known})
    lines = [
        f"| search | {' | '.join(f'{budget} trials' for budget in budgets)} |",
        "|---" + "|---:" * len(budgets) + "|",
    ]
    longest = _by_seed(known, SEARCHES[0], budgets[-1])
    for search in dict.fromkeys(each.search for each in known):
        found = [_by_seed(known, search, budget) for budget in budgets]
        apart = [[100 * (own[seed] - longest[seed]) for seed in own if seed in longest] for own in found]
        shown = [f"{fmean(each):+.2f} ({stdev(each) / len(each) ** 0.5:.2f})" for each in apart]
        lines.append(f"| {search} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _by_seed(known: Sequence[Search], search: str, budget: int) -> dict[int, float]:
    """The mean accuracy over the tasks, of each seed."""
    found: dict[int, list[float]] = {}
    for each in known:
        if (each.search, each.budget) == (search, budget):
            found.setdefault(each.seed, []).append(each.accuracy)
    return {seed: fmean(accuracies) for seed, accuracies in found.items()}


def measure(arguments: argparse.Namespace) -> None:
    """Run the searches of the seeds that the file lacks, and append those of each seed as it ends."""
    known = {each.seed for each in read(arguments.results) if each.method == arguments.method}
    missing = [seed for seed in range(arguments.seeds) if seed not in known]
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(arguments.processes) as pool, arguments.results.open("a", encoding="utf-8") as file:
        futures = {pool.submit(found_by, str(arguments.data), seed, arguments.method): seed for seed in missing}
        for number, future in enumerate(as_completed(futures), start=1):
            file.writelines(json.dumps(asdict(each)) + "\n" for each in future.result())
            file.flush()
            print(f"{number}/{len(futures)} seed {futures[future]}", flush=True)


def show(arguments: argparse.Namespace) -> None:
    """Print both tables of each method."""
    known = read(arguments.results)
    for name in dict.fromkeys(each.method for each in known):
        of = [each for each in known if each.method == name]
        print(f"{name}, {counted(len({each.seed for each in of}), 'seed')}", table(of), to_longest(of), sep="\n\n")


def main() -> None:
    """Measure, or print what was measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.searches", description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, help="file of searches")
    commands = parser.add_subparsers(required=True)
    measured = commands.add_parser("measure", help="run the searches that the file lacks")
    measured.add_argument("--data", type=Path, required=True, help="folder of SentEval's tasks")
    measured.add_argument("--method", choices=METHODS, default="frozen")
    measured.add_argument("--seeds", type=count, default=20)
    measured.add_argument("--processes", type=count, default=2)
    measured.set_defaults(command=measure)
    commands.add_parser("table", help="print it").set_defaults(command=show)
    arguments = parser.parse_args()
    arguments.command(arguments)


if __name__ == "__main__":
    main()
