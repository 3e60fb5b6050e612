"""Does leaving padding out change what a training on a CPU comes to, and what does it save?

    python -m tests.benchmarks.unpadded measure --data DIR --tasks trec,cr --draws 20
    python -m tests.benchmarks.unpadded table

Cross-entropy as a sweep begins it (`defaults`), but of 40 steps; each draw is trained with padding and without. States
and gradients are the same; what differs is which of them dropout leaves out. Every training is kept as a line of
`tests/benchmarks/results/unpadded.jsonl`, so that a run that is interrupted resumes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from unittest.mock import patch

from sweep.verdict.statistics import paired_difference
from tests.benchmarks.defaults import FIRST_DRAW, Training, configuration, read
from tests.benchmarks.options import count

__all__ = ["WAYS", "main", "table", "train"]

RESULTS = Path(__file__).parent / "results" / "unpadded.jsonl"
WAYS = ("padded", "packed")
STEPS = 40


def train(data: str, training: Training) -> Training:
    """Train and score on the test part. training: its method is one of WAYS."""
    import torch

    from trainable.encoder import packing
    from trainable.training import replicates

    torch.set_num_threads(1)
    config = configuration(data, training.task, "cross_entropy").model_copy(update={"steps": STEPS})
    padded = patch.object(packing, "packed", lambda model, first_position: model)
    with padded if training.method == "padded" else nullcontext():
        *_, last = replicates(config, draws=(training.draw,), part="test")
    if last.outcome is not None:
        raise RuntimeError(f"{training.key}: {last.reason}\n{last.detail}")
    return Training(*training.key, round(last.metrics["test_accuracy"], 4), round(last.metrics["train_seconds"], 2))


def measure(options: argparse.Namespace) -> None:
    """Train what the file lacks, both ways of a draw one after the other, and append each training as it ends."""
    known = {each.key for each in read(RESULTS)}
    asked = [Training(*key) for key in _keys(options.tasks, options.draws) if key not in known]
    with ProcessPoolExecutor(options.processes) as pool, RESULTS.open("a", encoding="utf-8") as file:
        for future in as_completed([pool.submit(train, options.data, each) for each in asked]):
            file.write(json.dumps(asdict(future.result())) + "\n")
            file.flush()


def _keys(tasks: Sequence[str], draws: int) -> Iterator[tuple[str, str, int]]:
    for draw in range(FIRST_DRAW, FIRST_DRAW + draws):
        for task in tasks:
            yield from ((task, way, draw) for way in WAYS)


def table(known: Sequence[Training]) -> str:
    """Return, of each task, the difference of accuracy without padding, with its interval, and the ratio of seconds."""
    lines = [
        "| task | draws | padded | without padding | difference | seconds, padded to packed |",
        "|---|---:|---:|---:|---|---:|",
    ]
    for task in dict.fromkeys(each.task for each in known):
        padded, packed = (
            {each.draw: each for each in known if (each.task, each.method) == (task, way)} for way in WAYS
        )
        both = sorted(padded.keys() & packed.keys())
        before, after = ([way[draw].accuracy for draw in both] for way in (padded, packed))
        found = paired_difference(after, before)
        ratio = sum(padded[draw].seconds for draw in both) / sum(packed[draw].seconds for draw in both)
        lines.append(
            f"| {task} | {len(both)} | {100 * fmean(before):.1f} | {100 * fmean(after):.1f} "
            f"| {100 * found.mean:+.1f} ({100 * found.low:.1f} to {100 * found.high:.1f}) | {ratio:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, or print what was measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.unpadded", description=__doc__)
    parser.add_argument("what", choices=("measure", "table"))
    parser.add_argument("--data", help="folder of SentEval's tasks")
    parser.add_argument("--tasks", type=lambda text: text.split(","), default=["trec", "cr"])
    parser.add_argument("--draws", type=count, default=20)
    parser.add_argument("--processes", type=count, default=2)
    options = parser.parse_args()
    if options.what == "measure":
        if options.data is None:
            parser.error("measure needs --data")
        measure(options)
    print(table(read(RESULTS)))


if __name__ == "__main__":
    main()
