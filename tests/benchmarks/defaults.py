"""Do the defaults win? The first trial of every method's cell, as a sweep would train it, against frozen encoders and
SetFit at its own defaults.

    python -m tests.benchmarks.defaults measure --data DIR --tasks trec,cr --draws 20
    python -m tests.benchmarks.defaults table

8 labels per class, all-MiniLM-L6-v2, nothing searched and nothing given but the encoder. Every training is kept as a
line of `tests/benchmarks/results/defaults.jsonl`, so that a run that is interrupted resumes.

Shapes: N draws.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from statistics import fmean

from sweep.spec.cells import cells
from sweep.spec.inputs import with_rates
from sweep.spec.model import SweepSpec
from sweep.verdict.statistics import paired_difference
from tests.benchmarks.options import count
from trainable.config import TrialConfig

__all__ = ["HEADS", "METHODS", "TASKS", "Training", "append", "configuration", "read", "table"]

RESULTS = Path(__file__).parent / "results" / "defaults.jsonl"
TASKS = ("support", "trec", "cr", "mr")
METHODS = ("cross_entropy", "soft_triple", "proxy_anchor", "supcon", "metric_then_head+supcon", "setfit")
_WITHOUT_LOSS = ("frozen", "setfit")
HEADS = ("frozen logistic_regression", "frozen centroid", "frozen neighbours", "frozen linear_svm")
FIRST_DRAW = 50_000  # no draw of a search or of a confirmation
SHOTS = 8
_FEWEST_DRAWS = 5  # of which two methods' difference is given


@dataclass(frozen=True, slots=True)
class Training:
    """One training: what it is, its test accuracy, and its seconds."""

    task: str
    method: str
    draw: int
    accuracy: float = 0.0
    seconds: float = 0.0

    @property
    def key(self) -> tuple[str, str, int]:
        """What it is, without what came of it."""
        return self.task, self.method, self.draw


@cache
def configuration(data: str, task: str, method: str) -> TrialConfig:
    """Return the first trial of a method's cell, as a sweep without any ranges or fields of its own begins it."""
    place = {} if task == "support" else {"path": f"{data}/{task.upper()}", "senteval": task.upper()}
    recipe, _, own = method.partition("+" if "+" in method else " ")
    loss = None if recipe in _WITHOUT_LOSS else own or method
    spec = SweepSpec.model_validate(
        {
            "name": "defaults",
            "datasets": {task: place},
            "compare": {
                "dataset": [task],
                "shots": [SHOTS],
                "recipe": [recipe if recipe != loss else "fine_tune"],
                **({"loss": [loss]} if loss else {}),
            },
            "trial": {"encoder": "all-MiniLM-L6-v2"},
            "protocol": {"replicates": 1, "validation": 40},
            **({"search": {"frozen": {"head": own}}} if recipe == "frozen" else {"protocol": _ONCE}),
        }
    )
    (cell,) = cells(with_rates(spec, {}))
    return cell.default_config()


_ONCE = {"replicates": 1, "evaluations": 1, "validation": 40}


def train(data: str, training: Training) -> Training:
    """Train and score on the test part."""
    import torch

    from trainable.training import replicates

    torch.set_num_threads(1)
    *_, last = replicates(configuration(data, training.task, training.method), draws=(training.draw,), part="test")
    if last.outcome is not None:
        raise RuntimeError(f"{training.key}: {last.reason}\n{last.detail}")
    return Training(*training.key, round(last.metrics["test_accuracy"], 4), round(last.metrics["train_seconds"], 2))


def read(path: Path = RESULTS) -> list[Training]:
    """Return the trainings that are kept in a file; none if there is no file."""
    if not path.exists():
        return []
    return [Training(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def measure(options: argparse.Namespace) -> None:
    """Train what the file lacks, draw by draw, and append each training as it ends."""
    append(RESULTS, train, options, _keys(options.tasks, options.methods, options.draws))


def append(
    path: Path,
    train: Callable[[str, Training], Training],
    options: argparse.Namespace,
    keys: Iterable[tuple[str, str, int]],
) -> None:
    """Train those of `keys` that a file lacks, in `options.processes`, and append each training as it ends."""
    known = {each.key for each in read(path)}
    asked = [Training(*key) for key in keys if key not in known]
    with ProcessPoolExecutor(options.processes) as pool, path.open("a", encoding="utf-8") as file:
        for future in as_completed([pool.submit(train, options.data, each) for each in asked]):
            file.write(json.dumps(asdict(future.result())) + "\n")
            file.flush()


def _keys(tasks: Sequence[str], methods: Sequence[str], draws: int) -> Iterator[tuple[str, str, int]]:
    for draw in range(FIRST_DRAW, FIRST_DRAW + draws):
        for task in tasks:
            yield from ((task, method, draw) for method in (*HEADS, *methods))


def table(known: Sequence[Training]) -> str:
    """Return the mean accuracy of each method, and its paired differences, with intervals, to the best frozen head
    and to SetFit.
    """
    lines = [
        "| task | method | draws | accuracy | to the best frozen head | to SetFit | seconds |",
        "|---|---|---:|---:|---|---|---:|",
    ]
    for task in dict.fromkeys(each.task for each in known):
        scores: dict[str, dict[int, float]] = {}
        for each in (each for each in known if each.task == task):
            scores.setdefault(each.method, {})[each.draw] = 100 * each.accuracy
        best = max((name for name in HEADS if name in scores), key=lambda name: fmean(scores[name].values()))
        for method, by_draw in scores.items():
            seconds = fmean(each.seconds for each in known if (each.task, each.method) == (task, method))
            accuracy, frozen, setfit = fmean(by_draw.values()), *(_lead(scores, method, to) for to in (best, "setfit"))
            lines.append(
                f"| {task} | {method} | {len(by_draw)} | {accuracy:.1f} | {frozen} | {setfit} | {seconds:.1f} |"
            )
    return "\n".join(lines)


def _lead(scores: Mapping[str, Mapping[int, float]], method: str, other: str) -> str:
    ours, theirs = scores[method], scores.get(other, {})
    both = sorted(ours.keys() & theirs.keys())
    if method == other or len(both) < _FEWEST_DRAWS:
        return ""
    found = paired_difference([ours[draw] / 100 for draw in both], [theirs[draw] / 100 for draw in both])
    return f"{100 * found.mean:+.1f} ({100 * found.low:.1f} to {100 * found.high:.1f}, p = {found.p_value:.3f})"


def main() -> None:
    """Measure, or print what was measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.defaults", description=__doc__)
    parser.add_argument("what", choices=("measure", "table"))
    parser.add_argument("--data", help="folder of SentEval's tasks")
    parser.add_argument("--tasks", type=lambda text: text.split(","), default=list(TASKS))
    parser.add_argument("--methods", type=lambda text: text.split(","), default=list(METHODS))
    parser.add_argument("--draws", type=count, default=20)
    parser.add_argument("--processes", type=count, default=2)
    options = parser.parse_args()
    if options.what == "measure":
        if options.data is None:
            parser.error("measure needs --data")
        measure(options)
    print(table(read()))


if __name__ == "__main__":
    main()
