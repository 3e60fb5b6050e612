"""What a training costs on a GPU, and how many trials at once on one GPU pay.

`python -m tests.benchmarks.gpu` trains as the preset `paper` does: an encoder of RoBERTa-large's shape on sentences of
SentEval's MR, in bf16 and in fp32, with and without CUDA graphs, alone and several at once. Needs a CUDA GPU and about
five minutes; `--shape tiny --quick` tries the program itself on a CPU.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

from tests.benchmarks.gpu_task import SHAPES, GpuTask
from tests.sweeps.tiny_task import machine, write_results
from trainable.config import TrialConfig

__all__ = ["main", "table"]

ROOT = Path(__file__).parents[2]
KEPT = Path(__file__).parent / "results" / "gpu.json"
LOSSES = ("cross_entropy", "soft_triple")
LIBRARIES = ("torch", "transformers", "pytorch-metric-learning", "numpy")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark. Returns 0, or 1 where there is no GPU to measure."""
    options = _parser().parse_args(arguments)
    start = perf_counter()
    import torch
    import transformers  # noqa: F401

    imports = perf_counter() - start
    if not torch.cuda.is_available() and options.shape != "tiny":
        print("needs a CUDA GPU", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="benchmark-gpu-") as scratch:
        task = GpuTask(Path(scratch) / "encoder", options.data, options.shape)
        failures: dict[str, str] = {}
        results: dict[str, Any] = {"machine": machine() | _gpu(), "encoder": SHAPES[options.shape]}
        task.write_encoder()
        for name, measure in _parts(task, options, imports).items():
            try:
                results[name] = measure()
            except Exception:  # a GPU is dear: what else can be measured is
                failures[name] = traceback.format_exc()
            print(f"{name} ({perf_counter() - start:.0f} s): {json.dumps(results.get(name))}", flush=True)
            write_results(options.out, results)
    print("".join(f"\n{name} failed: {failure}" for name, failure in failures.items()), file=sys.stderr)
    print(f"\n{table(results)}")
    return 1 if failures else 0


def _parts(task: GpuTask, options: argparse.Namespace, imports: float) -> dict[str, Callable[[], Any]]:
    """What is measured, each under the name that it has in the results."""
    from tests.benchmarks.gpu_measures import cost, kernels, phases, without_graphs
    from tests.benchmarks.gpu_sharing import sharing

    few: dict[str, Any] = {"steps": 4, "evaluations": 2, "validation": 100} if options.quick else {}
    half = {"steps": 60, "evaluations": 2} | few
    configs = [
        *(task.config(loss, precision=precision, **few) for loss in LOSSES for precision in ("bf16", "fp32")),
        *(task.config(loss, precision="bf16", **({"shots": 100} | few)) for loss in LOSSES),
    ]
    halves = [task.config(loss, precision="bf16", **half) for loss in LOSSES]
    first = task.config("cross_entropy", steps=4, evaluations=1)
    return {
        "startup": lambda: {"import_seconds": imports} | _startup(first),
        "costs": lambda: [cost(config) for config in configs],
        "costs_without_graphs": lambda: [without_graphs(cost, each) for each in configs if each.precision == "bf16"],
        "sharing": lambda: sharing(halves[-1], options.processes),
        "sharing_without_graphs": lambda: sharing(halves[-1], options.processes, graphs=False),
        "kernels_without_graphs": lambda: {_name(each): without_graphs(kernels, each) for each in configs[:4]},
        "phases_without_graphs": lambda: {_name(each): without_graphs(phases, each) for each in halves},
    }


def _name(config: TrialConfig) -> str:
    return f"{config.loss.name} {config.precision}"


def _startup(config: TrialConfig) -> dict[str, float]:
    """A process's first replicate, of few steps: loading, the way to the GPU, and what its libraries do once."""
    from trainable.encoder import load_encoder
    from trainable.training import replicates

    started = perf_counter()
    load_encoder(config.encoder, None, 2)
    loaded = perf_counter()
    (report,) = replicates(config)
    ended = perf_counter()
    assert report.outcome is None, report.reason
    return {"load_seconds": loaded - started, "first_steps_seconds": ended - loaded}


def _gpu() -> dict[str, Any]:
    import torch

    libraries: dict[str, Any] = {name: version(name) for name in LIBRARIES}
    if not torch.cuda.is_available():
        return libraries
    properties = torch.cuda.get_device_properties(0)
    driver = ""
    with suppress(OSError, subprocess.CalledProcessError):
        command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        driver = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    gpu = {"gpu": properties.name, "gpu_memory_gib": properties.total_memory / 2**30, "driver": driver}
    return gpu | {"cuda": torch.version.cuda} | libraries


def table(results: Mapping[str, Any]) -> str:
    """The costs and the ratios of the processes, in Markdown."""
    lines = [
        "| labels | loss | precision | launches | step, ms | evaluation, s | training, s | peak, GiB |",
        "|---|---|---|---|---|---|---|---|",
        *(_row(each, "CUDA graphs") for each in results.get("costs", ())),
        *(_row(each, "one by one") for each in results.get("costs_without_graphs", ())),
        "",
        "| processes on the GPU | trainings a minute | ratio |",
        "|---|---|---|",
        *(_share(each) for each in results.get("sharing", ())),
    ]
    return "\n".join(lines)


def _row(cost: Mapping[str, Any], launches: str) -> str:
    peak = "" if cost["peak_gib"] is None else f"{cost['peak_gib']:.1f}"
    times = f"{cost['step_ms']:.1f} | {cost['evaluation_seconds']:.2f} | {cost['training_seconds']:.1f}"
    return f"| {cost['labels']} | {cost['loss']} | {cost['precision']} | {launches} | {times} | {peak} |"


def _share(round_: Mapping[str, float]) -> str:
    return f"| {round_['processes']} | {round_['trainings_per_minute']:.1f} | {round_['ratio']:.2f} |"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gpu", description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "senteval" / "MR", metavar="DIR")
    parser.add_argument("--shape", choices=SHAPES, default="roberta-large")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4], help="at once (default: 1 2 4)")
    parser.add_argument("--quick", action="store_true", help="few steps, to try the program")
    parser.add_argument("--out", type=Path, default=KEPT, metavar="FILE", help=f"default: {KEPT.relative_to(ROOT)}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
