"""Which values of a training's fields pay: one field changed at a time, on the same draws of several real tasks.

    python -m tests.benchmarks.fields measure --data DIR --tasks trec/8,cr/8 --draws 4
    python -m tests.benchmarks.fields table

Every training is kept as a line of `tests/benchmarks/results/fields.jsonl`, so that a run that is interrupted resumes.

Shapes: N draws, T tasks.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from tests.benchmarks.options import count

__all__ = ["CHANGES", "Task", "Training", "effects", "left_out", "read", "trainings"]

RESULTS = Path(__file__).parent / "results" / "fields.jsonl"
FIRST_DRAW = 20_000  # no draw of a search or of a confirmation

BASE: Mapping[str, Any] = {
    "encoder": "all-MiniLM-L6-v2",
    "embedding": "mean",
    "max_length": 48,
    "batch_size": 32,
    "head": "centroid",
    "head_lr": 1e-3,
    "encoder_lr": 2e-4,
    "steps": 60,
    "evaluations": 1,
    "precision": "fp32",
    "restarts": 1,
}
"""What every training has that a change does not name."""

_HEAD_AFTER: Mapping[str, Any] = {"recipe": {"name": "metric_then_head"}, "head": "checkpoint", "head_lr": None}

METHODS: Mapping[str, Mapping[str, Any]] = {
    "cross_entropy": {"loss": {"name": "cross_entropy"}},
    "supcon": {"loss": {"name": "supcon"}, "beta": 0.5},
    "soft_triple": {"loss": {"name": "soft_triple"}, "beta": 0.5, "proxy_start": "centroids"},
    "proxy_anchor": {"loss": {"name": "proxy_anchor"}, "beta": 0.5, "proxy_start": "centroids"},
    "proxy_nca": {"loss": {"name": "proxy_nca"}, "beta": 0.5, "proxy_start": "centroids"},
    "metric_then_head+soft_triple": {**_HEAD_AFTER, "loss": {"name": "soft_triple"}, "proxy_start": "centroids"},
    "metric_then_head+proxy_anchor": {**_HEAD_AFTER, "loss": {"name": "proxy_anchor"}, "proxy_start": "centroids"},
    "metric_then_head+supcon": {**_HEAD_AFTER, "loss": {"name": "supcon"}},
    "frozen": {"recipe": {"name": "frozen"}},
    "frozen centroid": {"recipe": {"name": "frozen", "head": "centroid"}},
    "setfit": {"recipe": {"name": "setfit"}},
}

CHANGES: Mapping[str, Mapping[str, Any]] = {
    "base": {},
    "encoder_lr 5e-5": {"encoder_lr": 5e-5},
    "encoder_lr 1e-4": {"encoder_lr": 1e-4},
    "encoder_lr 5e-4": {"encoder_lr": 5e-4},
    "head_lr 1e-2": {"head_lr": 1e-2},
    "steps 24": {"steps": 24},
    "steps 120": {"steps": 120},
    "views 2": {"views": 2},
    "layer_decay 0.8": {"layer_decay": 0.8},
    "frozen_layers 2": {"frozen_layers": 2},
    "new_layers 1": {"new_layers": 1},
    "lora_rank 8 at 6e-4": {"lora_rank": 8, "encoder_lr": 6e-4},
    "lora_rank 8 at 2e-3": {"lora_rank": 8, "encoder_lr": 2e-3},
    "lora_rank 8 at 6e-3": {"lora_rank": 8, "encoder_lr": 6e-3},
    "batches balanced": {"batches": "balanced"},
    "projection 128": {"projection": 128},
    "schedule constant": {"schedule": "constant"},
    "proxy_start random": {"proxy_start": "random"},
    "head checkpoint": {"head": "checkpoint"},
    "temperature 0.05": {"loss": {"name": "supcon", "temperature": 0.05}},
    "temperature 0.2": {"loss": {"name": "supcon", "temperature": 0.2}},
    "C 10": {"recipe": {"name": "metric_then_head", "C": 10.0}},
}
"""What is changed, each with its name; one that a method does not read is left out."""

_READ = {"frozen": ("encoder", "embedding", "max_length"), "setfit": ("encoder", "max_length")}
"""What of the base these recipes read."""

_UNTRAINED = ("frozen", "frozen centroid", "setfit")


@dataclass(frozen=True, slots=True)
class Task:
    """A dataset at a number of labels per class, as `trec/8`."""

    dataset: str
    shots: int

    @classmethod
    def parse(cls, text: str) -> Task:
        """Raise argparse.ArgumentTypeError for anything but a name and a number."""
        name, _, shots = text.partition("/")
        if not name or not shots.isdecimal():
            raise argparse.ArgumentTypeError(f"must be a task such as trec/8; received {text!r}")
        return cls(name, int(shots))

    def __str__(self) -> str:
        return f"{self.dataset}/{self.shots}"


@dataclass(frozen=True, slots=True)
class Training:
    """One training: its task, method, change and draw, and what came of it.

    rules: test accuracy by each rule of inference; empty for a method with one.
    """

    task: str
    method: str
    change: str
    draw: int
    accuracy: float = 0.0
    seconds: float = 0.0
    rules: Mapping[str, float] | None = None

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What it is, without what came of it."""
        return self.task, self.method, self.change, self.draw


def trainings(
    tasks: Sequence[Task], methods: Sequence[str], changes: Sequence[str], draws: int
) -> Iterator[tuple[Training, dict[str, Any]]]:
    """Yield each training with the fields of its trial, draw by draw, so that all have equally many."""
    for draw in range(FIRST_DRAW, FIRST_DRAW + draws):
        for task in tasks:
            for method in methods:
                for change in changes if method not in _UNTRAINED else ("base",):
                    fields = _fields(method, CHANGES[change])
                    if fields is not None:
                        yield Training(str(task), method, change, draw), fields


def _fields(method: str, change: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the fields of a trial; None where the method does not read what is changed."""
    own = METHODS[method]
    recipe = own.get("recipe", {"name": "fine_tune"})["name"]
    if any(part in change and change[part]["name"] != own.get(part, {}).get("name") for part in ("loss", "recipe")):
        return None
    proxies_alone = "proxy_start" in change and "proxy_start" not in own
    pairs_alone = "projection" in change and own["loss"]["name"] != "supcon"
    if proxies_alone or pairs_alone or (recipe == "metric_then_head" and {"head", "head_lr"} & set(change)):
        return None
    base = {name: value for name, value in BASE.items() if name in _READ.get(recipe, BASE)}
    return {**base, **own, **change}


def train(data: str, training: Training, fields: Mapping[str, Any]) -> Training:
    """Train and score on the test part."""
    import torch

    from trainable.config import TrialConfig
    from trainable.training import replicates

    torch.set_num_threads(1)
    dataset, shots = training.task.split("/")
    place = {} if dataset == "support" else {"path": data, "senteval": dataset.upper()}
    validation = min(40, 8 * int(shots))
    fields = {name: value for name, value in fields.items() if value is not None}
    known = {"dataset": {"name": dataset, **place}, "shots": int(shots), "validation": validation, "replicates": 1}
    config = TrialConfig.model_validate({**known, **fields})
    *_, last = replicates(config, draws=(training.draw,), part="test")
    if last.outcome is not None:
        raise RuntimeError(f"{training.key}: {last.reason}\n{last.detail}")
    rules = {
        name.removeprefix("test_").removesuffix("_accuracy"): round(value, 4)
        for name, value in last.metrics.items()
        if name.startswith("test_") and name.endswith("_accuracy") and name != "test_accuracy"
    }
    return Training(
        *training.key, round(last.metrics["test_accuracy"], 4), round(last.metrics["train_seconds"], 2), rules
    )


def read(path: Path = RESULTS) -> list[Training]:
    """Return the trainings that are kept in a file; none if there is no file."""
    if not path.exists():
        return []
    return [Training(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def effects(known: Sequence[Training], method: str) -> dict[str, dict[str, tuple[float, float, int]]]:
    """Return, by change and task, the mean difference of accuracy to the base in points, its standard error over the
    draws that both have, and their number."""
    scores: dict[tuple[str, str], dict[int, float]] = {}
    for each in (each for each in known if each.method == method):
        scores.setdefault((each.change, each.task), {})[each.draw] = each.accuracy
    found: dict[str, dict[str, tuple[float, float, int]]] = {}
    for (change, task), by_draw in scores.items():
        base = scores.get(("base", task), {})
        both_N = np.array([100 * (by_draw[draw] - base[draw]) for draw in by_draw if draw in base])
        if change != "base" and len(both_N) > 1:
            error = float(both_N.std(ddof=1) / np.sqrt(len(both_N)))
            found.setdefault(change, {})[task] = (float(both_N.mean()), error, len(both_N))
    return found


def left_out(found: Mapping[str, Mapping[str, tuple[float, float, int]]]) -> dict[str, tuple[str, float]]:
    """Return, by task, the change that is best on the mean of all other datasets, and what it brings on this task: what
    carries over. The base is a choice too, and brings nothing."""
    tasks = sorted({task for by_task in found.values() for task in by_task})
    chosen = {}
    for task in tasks:
        dataset = task.split("/")[0]
        others = {
            change: [gain for other, (gain, _, _) in by_task.items() if other.split("/")[0] != dataset]
            for change, by_task in found.items()
            if task in by_task
        }
        means = {change: fmean(gains) for change, gains in others.items() if gains}
        best = max(means, key=lambda change: means[change], default="base")
        best = best if means.get(best, 0.0) > 0 else "base"
        chosen[task] = best, 0.0 if best == "base" else found[best][task][0]
    return chosen


def measure(arguments: argparse.Namespace) -> None:
    """Train what the file lacks, and append each training as it ends."""
    known = {each.key for each in read(arguments.results)}
    asked = trainings(arguments.tasks, arguments.methods, arguments.changes, arguments.draws)
    missing = [(training, fields) for training, fields in asked if training.key not in known]
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(arguments.processes) as pool, arguments.results.open("a", encoding="utf-8") as file:
        futures = [pool.submit(train, str(arguments.data), *each) for each in missing]
        for number, future in enumerate(as_completed(futures), start=1):
            try:
                ended = future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)  # else all that is left would be trained first
                raise
            line = {name: getattr(ended, name) for name in Training.__slots__}
            file.write(json.dumps(line) + "\n")
            file.flush()
            print(f"{number}/{len(futures)} {ended.key} {100 * ended.accuracy:.1f} {ended.seconds:.1f} s", flush=True)


def print_table(arguments: argparse.Namespace) -> None:
    """Print the score of every method's base, then what each change brings, then what carries over."""
    known = read(arguments.results)
    tasks = list(dict.fromkeys(each.task for each in known))
    print("| method | " + " | ".join(tasks) + " |\n|---|" + "---:|" * len(tasks))
    for method in dict.fromkeys(each.method for each in known):
        own = [each for each in known if (each.method, each.change) == (method, "base")]
        cells = [_mean([each for each in own if each.task == task]) for task in tasks]
        print(f"| {method} | " + " | ".join(cells) + " |")
    for method in dict.fromkeys(each.method for each in known if each.change != "base"):
        found = effects(known, method)
        print(f"\n{method}, differences to the base in points (standard error)\n")
        print("| change | " + " | ".join(tasks) + " | mean |\n|---|" + "---:|" * (len(tasks) + 1))
        for change, by_task in found.items():
            cells = [f"{by_task[task][0]:+.1f} ({by_task[task][1]:.1f})" if task in by_task else "" for task in tasks]
            mean = fmean(gain for gain, _, _ in by_task.values())
            print(f"| {change} | " + " | ".join(cells) + f" | {mean:+.1f} |")
        for task, (change, gain) in left_out(found).items():
            print(f"\nbest elsewhere for {task}: {change}, {gain:+.1f}")


def _mean(own: Sequence[Training]) -> str:
    if not own:
        return ""
    return f"{100 * fmean(each.accuracy for each in own):.1f} ({fmean(each.seconds for each in own):.1f} s)"


def main() -> None:
    """Measure, or print what was measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.fields", description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, help="file of trainings")
    commands = parser.add_subparsers(required=True)
    measured = commands.add_parser("measure", help="train what the file lacks")
    measured.add_argument("--data", type=Path, required=True, help="folder of SentEval's tasks")
    measured.add_argument("--tasks", type=_listed(Task.parse), default=[Task("trec", 8), Task("cr", 8)])
    measured.add_argument("--methods", type=_listed(_one_of(METHODS)), default=list(METHODS))
    measured.add_argument("--changes", type=_listed(_one_of(CHANGES)), default=list(CHANGES))
    measured.add_argument("--draws", type=count, default=4)
    measured.add_argument("--processes", type=count, default=2)
    measured.set_defaults(run=measure)
    commands.add_parser("table", help="print what was measured").set_defaults(run=print_table)
    arguments = parser.parse_args()
    arguments.run(arguments)


def _one_of(names: Mapping[str, Any]) -> Any:
    def chosen(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"must be one of {', '.join(names)}; received {text!r}")
        return text

    return chosen


def _listed(parse: Any) -> Any:
    """Return a parser of values separated by commas."""

    def values(text: str) -> list[Any]:
        return [parse(part) for part in text.split(",")]

    return values


if __name__ == "__main__":
    main()
