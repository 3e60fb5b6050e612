"""What a training costs on a GPU, and how many trials at once on one GPU pay.

`python -m tests.benchmarks.gpu` trains as the preset `paper` does, an encoder of RoBERTa-large's shape on sentences of
SentEval's MR, in bf16 and in fp32, alone and several at once, and compares the scores of a real, small encoder with
those of the CPU. Needs a CUDA GPU and about four minutes; `--shape tiny --quick` tries the program itself on a CPU.
"""

from __future__ import annotations

import argparse
import json
import os
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

from tests.benchmarks.gpu_task import SHAPES, GpuTask, without_dropout
from tests.benchmarks.tiny import machine, write_results
from trainable.config import DatasetConfig, TrialConfig

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
        for name, measure in _parts(task, options, Path(scratch), imports).items():
            try:
                results[name] = measure()
            except Exception:  # a GPU is dear: what else can be measured is
                failures[name] = traceback.format_exc()
            print(f"{name} ({perf_counter() - start:.0f} s): {json.dumps(results.get(name))}", flush=True)
            write_results(options.out, results)
    print("".join(f"\n{name} failed: {failure}" for name, failure in failures.items()), file=sys.stderr)
    print(f"\n{table(results)}")
    return 1 if failures else 0


def _parts(task: GpuTask, options: argparse.Namespace, scratch: Path, imports: float) -> dict[str, Callable[[], Any]]:
    """What is measured, each under the name that it has in the results."""
    from tests.benchmarks.gpu_measures import cost, kernels, phases
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
        "kernels": lambda: {f"{config.loss.name} {config.precision}": kernels(config) for config in configs[:4]},
        "phases": lambda: {config.loss.name: phases(config) for config in halves},
        "sharing": lambda: sharing(halves[-1], options.processes),
        "scores": lambda: _scores(options, scratch),
    }


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


def _scores(options: argparse.Namespace, scratch: Path) -> list[dict[str, Any]]:
    """The accuracy of each draw, on the CPU and on the GPU in both precisions, without and with dropout."""
    encoders = {"none": without_dropout(options.encoder, scratch / "steady"), "as pretrained": options.encoder}
    configs = {(dropout, loss): _small(options, each, loss) for dropout, each in encoders.items() for loss in LOSSES}
    found: list[dict[str, Any]] = []
    for place, precisions in {"cpu": ("fp32",), "gpu": ("fp32", "bf16")}.items():
        names = [(precision, *name) for precision in precisions for name in configs]
        trials = _bare(
            [configs[dropout, loss].model_copy(update={"precision": each}) for each, dropout, loss in names],
            scratch,
            place,
        )
        for (precision, dropout, loss), trial in zip(names, trials, strict=True):
            where = {"place": place, "precision": precision, "loss": loss, "dropout": dropout}
            found.append(where | _summary(trial))
    return found


def _small(options: argparse.Namespace, encoder: str, loss: str) -> TrialConfig:
    return TrialConfig.model_validate(
        {
            "dataset": DatasetConfig(name="support"),
            "shots": 8,
            "encoder": encoder,
            "encoder_lr": 1e-4,
            "head_lr": 1e-3,
            "embedding": "mean",
            "loss": {"name": loss},
            "steps": 2 if options.quick else 24,
            "evaluations": 1,
            "replicates": 3,
        }
    )


def _bare(configs: Sequence[TrialConfig], scratch: Path, place: str) -> list[dict[str, Any]]:
    """The trials, in a process of their own that sees the GPU or does not."""
    given, got = scratch / "configs.json", scratch / "trials.json"
    given.write_text(json.dumps([config.model_dump(mode="json") for config in configs]))
    command = [sys.executable, "-m", "tests.benchmarks.bare", str(given), str(got), "--slots", "1"]
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if place == "cpu" else {}
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ | hidden)
    trials: list[dict[str, Any]] = json.loads(got.read_text())
    return trials


def _summary(trial: Mapping[str, Any]) -> dict[str, Any]:
    metrics = [report["metrics"] for report in trial["reports"]]
    return {
        "val_accuracy": [each["val_accuracy"] for each in metrics],
        "val_loss": [each["val_loss"] for each in metrics],
        "seconds": [each["train_seconds"] + each["eval_seconds"] for each in metrics],
    }


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
        "| labels | loss | precision | step, ms | evaluation, s | training, s | peak, GiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in results.get("costs", ()):
        peak = "" if each["peak_gib"] is None else f"{each['peak_gib']:.1f}"
        times = f"{each['step_ms']:.1f} | {each['evaluation_seconds']:.2f} | {each['training_seconds']:.1f}"
        lines.append(f"| {each['labels']} | {each['loss']} | {each['precision']} | {times} | {peak} |")
    lines += ["", "| processes on the GPU | trainings a minute | ratio |", "|---|---|---|"]
    for each in results.get("sharing", ()):
        lines.append(f"| {each['processes']} | {each['trainings_per_minute']:.1f} | {each['ratio']:.2f} |")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gpu", description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "senteval" / "MR", metavar="DIR")
    parser.add_argument("--encoder", default="all-MiniLM-L6-v2", help="whose scores are compared with the CPU's")
    parser.add_argument("--shape", choices=SHAPES, default="roberta-large")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4], help="at once (default: 1 2 4)")
    parser.add_argument("--quick", action="store_true", help="few steps, to try the program")
    parser.add_argument("--out", type=Path, default=KEPT, metavar="FILE", help=f"default: {KEPT.relative_to(ROOT)}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
