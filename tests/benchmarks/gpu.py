"""The cost of a training on a GPU, and how many trials at once on one GPU pay off.

`python -m tests.benchmarks.gpu` trains as the preset `paper` does: an encoder of RoBERTa-large's shape on sentences of
SentEval's MR, in bf16 and in fp32, with captured CUDA graphs and eagerly, alone and several at once. It needs a CUDA
GPU and about five minutes; `--shape tiny --quick` tries the program itself on a CPU.
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
            except Exception:  # time on a GPU is expensive: the other parts are still measured
                failures[name] = traceback.format_exc()
            print(f"{name} ({perf_counter() - start:.0f} s): {json.dumps(results.get(name))}", flush=True)
            write_results(options.out, results)
    print("".join(f"\n{name} failed: {failure}" for name, failure in failures.items()), file=sys.stderr)
    print(f"\n{table(results)}")
    return 1 if failures else 0


def _parts(task: GpuTask, options: argparse.Namespace, imports: float) -> dict[str, Callable[[], Any]]:
    """Return the measurements by their names in the results."""
    from tests.benchmarks.gpu_measures import cost, kernels, phases, without_graphs
    from tests.benchmarks.gpu_sharing import sharing

    few: dict[str, Any] = {"steps": 4, "evaluations": 2, "validation": 100} if options.quick else {}
    half = {"steps": 60, "evaluations": 2} | few
    configs = [
        *(task.config(loss, precision=precision, **few) for loss in LOSSES for precision in ("bf16", "fp32")),
        *(task.config(loss, precision="bf16", **({"shots": 100} | few)) for loss in LOSSES),
    ]
    in_bf16 = [config for config in configs if config.precision == "bf16"]
    halves = [task.config(loss, precision="bf16", **half) for loss in LOSSES]
    first = task.config("cross_entropy", steps=4, evaluations=1)
    return {
        "startup": lambda: {"import_seconds": imports} | _startup(first),
        "costs": lambda: [cost(config) for config in configs],
        "costs_without_graphs": lambda: [without_graphs(cost, config) for config in in_bf16],
        "sharing": lambda: sharing(halves[-1], options.processes),
        "sharing_without_graphs": lambda: sharing(halves[-1], options.processes, graphs=False),
        "kernels_without_graphs": lambda: {_name(config): without_graphs(kernels, config) for config in configs[:4]},
        "phases_without_graphs": lambda: {_name(config): without_graphs(phases, config) for config in halves},
    }


def _name(config: TrialConfig) -> str:
    return f"{config.method} {config.precision}"


def _startup(config: TrialConfig) -> dict[str, float]:
    """Measure a process's first replicate, of few steps: loading, moving to the GPU, and initialising libraries."""
    from trainable.encoder import load_encoder
    from trainable.training import replicates

    started = perf_counter()
    load_encoder(config.encoder, None, 2)
    loaded = perf_counter()
    (evaluation,) = replicates(config)
    ended = perf_counter()
    assert evaluation.outcome is None, evaluation.reason
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
    """Return the costs, and the throughput by number of processes, as Markdown."""
    lines = [
        "| labels | loss | precision | execution | step, ms | evaluation, s | training, s | peak, GiB |",
        "|---|---|---|---|---|---|---|---|",
        *(_row(cost, "captured") for cost in results.get("costs", ())),
        *(_row(cost, "eager") for cost in results.get("costs_without_graphs", ())),
        "",
        "| processes on the GPU | trainings a minute | ratio |",
        "|---|---|---|",
        *(_share(shared) for shared in results.get("sharing", ())),
    ]
    return "\n".join(lines)


def _row(cost: Mapping[str, Any], execution: str) -> str:
    peak = "" if cost["peak_gib"] is None else f"{cost['peak_gib']:.1f}"
    times = f"{cost['step_ms']:.1f} | {cost['evaluation_seconds']:.2f} | {cost['training_seconds']:.1f}"
    return f"| {cost['labels']} | {cost['loss']} | {cost['precision']} | {execution} | {times} | {peak} |"


def _share(shared: Mapping[str, float]) -> str:
    return f"| {shared['processes']} | {shared['trainings_per_minute']:.1f} | {shared['ratio']:.2f} |"


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
