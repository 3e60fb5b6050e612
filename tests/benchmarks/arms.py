"""The arms of the benchmark: for each, the command that runs the trials, and the reader of their results."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from tests.benchmarks.protocol import Protocol
from trainable.encoder.places import PACKAGED

__all__ = ["ARMS", "Arm", "TrialTimes"]

ASSEMBLED = Path(__file__).with_name("assembled.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialTimes:
    """The results of one trial in one arm; times of day are in seconds since the epoch, and known for the sweep only.

    learning_rate: that of the trial.
    scores: validation accuracy at each evaluation.
    training: seconds of training.
    evaluation: seconds of scoring.
    started: when the trial was handed out.
    evaluated: when each of its evaluations was recorded.
    """

    learning_rate: float
    scores: tuple[float, ...]
    training: float
    evaluation: float
    started: float | None = None
    evaluated: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to run the trials.

    title: its name in the table.
    command: writes its inputs into a folder, and returns the command to run there.
    trials: reads the results from that folder.
    """

    title: str
    command: Callable[[Protocol, Path], Sequence[str]]
    trials: Callable[[Path], tuple[TrialTimes, ...]]


def _sweep_command(protocol: Protocol, folder: Path) -> Sequence[str]:
    spec = folder / "spec.yaml"
    spec.write_text(yaml.safe_dump(protocol.spec(f"sqlite:///{folder}/mlflow.db"), sort_keys=False))
    return [sys.executable, "-m", "sweep", "run", str(spec), "--dir", str(folder)]


def _sweep_trials(folder: Path) -> tuple[TrialTimes, ...]:
    from sweep.ledger.stored import read_stored

    return tuple(
        TrialTimes(
            **_times(record.config.encoder_lr, [entry.evaluation.metrics for entry in record.evaluations]),
            started=record.started,
            evaluated=tuple(entry.time for entry in record.evaluations),
        )
        for record in read_stored("benchmark", folder)[1].trials()
    )


def _bare_command(protocol: Protocol, folder: Path) -> Sequence[str]:
    configs = folder / "configs.json"
    configs.write_text(json.dumps([config.model_dump(mode="json") for config in protocol.configs()]))
    results = str(folder / "results.json")
    return [sys.executable, "-m", "tests.benchmarks.bare", str(configs), results, "--slots", str(protocol.slots)]


def _bare_trials(folder: Path) -> tuple[TrialTimes, ...]:
    trials = json.loads((folder / "results.json").read_text())
    return tuple(
        TrialTimes(**_times(trial["learning_rate"], [evaluation["metrics"] for evaluation in trial["evaluations"]]))
        for trial in trials
    )


def _times(learning_rate: float, metrics: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    scored = [values for values in metrics if "val_accuracy" in values]  # the evaluation of a failure has no score
    return {
        "learning_rate": learning_rate,
        "scores": tuple(values["val_accuracy"] for values in scored),
        "training": sum(values["train_seconds"] for values in scored),
        "evaluation": sum(values["eval_seconds"] for values in scored),
    }


def _assembled_command(padding: str, protocol: Protocol, folder: Path, *, flags: Sequence[str] = ()) -> Sequence[str]:
    config = protocol.configs()[0]
    options = {
        "model": _packaged_folder(config.encoder),
        "data": folder,
        "classes": protocol.write_rows(folder),
        "rates": ",".join(map(str, protocol.learning_rates())),
        "slots": protocol.slots,
        "max-length": config.max_length,
        "steps": config.steps,
        "evaluations": config.evaluations,
        "padding": padding,
        "out": folder / "results.json",
    }
    words = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, str(ASSEMBLED), *words, *flags]


def _packaged_folder(encoder: str) -> Path:
    packaged = PACKAGED[encoder]
    found = importlib.util.find_spec(packaged.package)
    assert found is not None, f"{packaged.distribution} is a dependency of the project"
    assert found.submodule_search_locations is not None
    return Path(found.submodule_search_locations[0]) / packaged.folder


def _assembled_trials(folder: Path) -> tuple[TrialTimes, ...]:
    trials = json.loads((folder / "results.json").read_text())
    return tuple(TrialTimes(**{**trial, "scores": tuple(trial["scores"])}) for trial in trials)


ARMS: Mapping[str, Arm] = {
    "sweep": Arm("this project: `python -m sweep run`", _sweep_command, _sweep_trials),
    "bare": Arm("bare loop of `trainable`, one process a slot", _bare_command, _bare_trials),
    "assembled": Arm(
        "assembled from the docs, rows padded to 64 tokens",
        partial(_assembled_command, "max_length"),
        _assembled_trials,
    ),
    "assembled-batch": Arm(
        "assembled from the docs, rows padded to the batch", partial(_assembled_command, "batch"), _assembled_trials
    ),
    "expert": Arm(
        "assembled by an expert: like lengths together, workers reused, rows tokenised once",
        partial(_assembled_command, "batch", flags=["--expert"]),
        _assembled_trials,
    ),
    "expert-bf16": Arm(
        "the same in mixed precision",
        partial(_assembled_command, "batch", flags=["--expert", "--bf16"]),
        _assembled_trials,
    ),
}
