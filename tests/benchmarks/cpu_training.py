"""What do the ways to train faster on a CPU save, and do they change what a training comes to?

    python -m tests.benchmarks.cpu_training measure --data DIR --pair precision --tasks trec,cr --draws 20
    python -m tests.benchmarks.cpu_training table

Cross-entropy as a sweep begins it (`defaults`), but of 40 steps, and each draw both ways of a pair. `padding`: with it
and without (states and gradients are the same; what differs is which of them dropout leaves out). `precision`: fp32 and
mixed precision, both without padding; needs a processor that multiplies bfloat16. Every training is kept as a line of
a file (`--results`), so that a run that is interrupted resumes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from statistics import fmean
from unittest.mock import patch

from sweep.verdict.statistics import paired_difference
from tests.benchmarks.defaults import FIRST_DRAW, Training, append, configuration, read
from tests.benchmarks.options import count

__all__ = ["PAIRS", "main", "table", "train"]

RESULTS = Path(__file__).parent / "results" / "cpu_training.jsonl"
PAIRS = {"padding": ("padded", "packed"), "precision": ("fp32", "bf16")}
STEPS = 40


def train(data: str, training: Training) -> Training:
    """Train and score on the test part. training: its method is of one of PAIRS."""
    import torch

    from trainable.encoder import packing
    from trainable.training import replicates

    torch.set_num_threads(1)
    changed = {"steps": STEPS, "precision": "bf16" if training.method == "bf16" else "fp32"}
    config = configuration(data, training.task, "cross_entropy").model_copy(update=changed)
    padded = patch.object(packing, "packed", lambda model, first_position: model)
    with padded if training.method == "padded" else nullcontext():
        *_, last = replicates(config, draws=(training.draw,), part="test")
    if last.outcome is not None:
        raise RuntimeError(f"{training.key}: {last.reason}\n{last.detail}")
    return Training(*training.key, round(last.metrics["test_accuracy"], 4), round(last.metrics["train_seconds"], 2))


def measure(options: argparse.Namespace) -> None:
    """Train what the file lacks, both ways of a draw one after the other, and append each training as it ends."""
    append(options.results, train, options, _keys(PAIRS[options.pair], options.tasks, options.draws))


def _keys(pair: Sequence[str], tasks: Sequence[str], draws: int) -> Iterator[tuple[str, str, int]]:
    for draw in range(FIRST_DRAW, FIRST_DRAW + draws):
        for task in tasks:
            yield from ((task, way, draw) for way in pair)


def table(known: Sequence[Training]) -> str:
    """Return, for each task, how the second way of a pair differs from the first in accuracy and seconds."""
    lines = [
        "| task | draws | from | to | accuracy | accuracy | difference | ratio of seconds |",
        "|---|---:|---|---|---:|---:|---|---:|",
    ]
    for task in dict.fromkeys(each.task for each in known):
        for way, other in PAIRS.values():
            if line := _compared(known, task, way, other):
                lines.append(line)
    return "\n".join(lines)


def _compared(known: Sequence[Training], task: str, way: str, other: str) -> str:
    """The line of two ways of a task; empty without draws that were trained both ways."""
    first, second = ({each.draw: each for each in known if each.key[:2] == (task, name)} for name in (way, other))
    both = sorted(first.keys() & second.keys())
    if len(both) < 2:
        return ""
    before, after = ([trained[draw].accuracy for draw in both] for trained in (first, second))
    found = paired_difference(after, before)
    ratio = sum(first[draw].seconds for draw in both) / sum(second[draw].seconds for draw in both)
    return (
        f"| {task} | {len(both)} | {way} | {other} | {100 * fmean(before):.1f} | {100 * fmean(after):.1f} "
        f"| {100 * found.mean:+.1f} ({100 * found.low:.1f} to {100 * found.high:.1f}) | {ratio:.2f} |"
    )


def main() -> None:
    """Measure, or print what was measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.cpu_training", description=__doc__)
    parser.add_argument("what", choices=("measure", "table"))
    parser.add_argument("--data", help="folder of SentEval's tasks")
    parser.add_argument("--pair", choices=tuple(PAIRS), default="precision")
    parser.add_argument("--tasks", type=lambda text: text.split(","), default=["trec", "cr"])
    parser.add_argument("--draws", type=count, default=20)
    parser.add_argument("--processes", type=count, default=2)
    parser.add_argument("--results", type=Path, default=RESULTS, help="a file for each machine; default: %(default)s")
    options = parser.parse_args()
    if options.what == "measure":
        if options.data is None:
            parser.error("measure needs --data")
        measure(options)
    print(table(read(options.results)))


if __name__ == "__main__":
    main()
