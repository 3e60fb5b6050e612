"""Are models with metric losses better calibrated than cross-entropy, and are sentences far from their class harder?

    python -m tests.benchmarks.reliability measure --data DIR
    python -m tests.benchmarks.reliability table

MR, CR and TREC at 8 labels per class, all-MiniLM-L6-v2, 12 steps of 16 rows, the head and the proxies from the class
centroids: one configuration for all methods, which nobody searched for. Each draw trains every method, and is scored on
the same 300 test rows; temperatures are fitted to 50 validation rows. Begun again, it continues where it was stopped.

Kept in `tests/benchmarks/results/reliability.jsonl`: how sure each model was of each row, and how far rows lie.

Shapes: N rows, D embedding size.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.explain.distance import centre_distances, mean_distances
from sweep.explain.distance_section import change_by_distance
from sweep.explain.judged import Judged
from sweep.explain.reliability import Measured, Versus, measured, versus
from sweep.report.wording import MINUS
from trainable.confidences import Confidences
from trainable.config import TrialConfig
from trainable.datasets.text_data import TextData
from trainable.draws import CONFIRMATION_START, draw_of
from trainable.embeddings import FrozenEncoder
from trainable.evaluation.geometry import PREFIX, embedding_geometry
from trainable.outcomes import Evaluation
from trainable.predicted_classes import PredictedClasses

__all__ = ["RESULTS", "judged_arms", "tables"]

RESULTS = Path(__file__).parent / "results" / "reliability.jsonl"
TASKS = ("mr", "cr", "trec")
DRAWS, TESTED, VALIDATION = 20, 300, 50

_STATES = ("as it is", "with temperature")

_COMMON = {"shots": 8, "encoder": "all-MiniLM-L6-v2", "embedding": "mean", "max_length": 32, "validation": VALIDATION}
_TRAINED = {"head": "centroid", "head_lr": 1e-3, "encoder_lr": 2e-4, "batch_size": 16, "steps": 12}
METHODS: Mapping[str, Mapping[str, Any]] = {
    "frozen": {"recipe": {"name": "frozen"}},
    "cross_entropy": {**_TRAINED, "loss": {"name": "cross_entropy"}},
    "soft_triple": {**_TRAINED, "proxy_start": "centroids", "loss": {"name": "soft_triple"}},
    "supcon": {**_TRAINED, "loss": {"name": "supcon"}},
}


def config_of(data: Path, task: str, method: str) -> TrialConfig:
    """The configuration of a method on a task."""
    place = {"name": task, "path": str(data / task.upper()), "senteval": task.upper()}
    return TrialConfig.model_validate({"dataset": place, **_COMMON, **METHODS[method]})


def few_tested(config: TrialConfig) -> TextData:
    """The task with an even choice of its test rows."""
    from trainable.datasets import load

    data = load(config.dataset)
    kept = np.linspace(0, len(data.test) - 1, min(TESTED, len(data.test))).astype(np.int64)
    return replace(data, test=data.test.at(kept))


def trained(config: TrialConfig, index: int) -> Evaluation:
    """One method on one draw, scored on the test rows."""
    from trainable.recipes.entry import Trial
    from trainable.training import evaluations

    data = few_tested(config)
    sample = draw_of(config, data, index)
    (found,) = evaluations(Trial(config=config, data=data, draws=(index,), samples=(sample,), part="test"))
    return found


def rows_of(config: TrialConfig) -> dict[str, Any]:
    """What is known of the test rows of a task: labels, distances, and how they lie before any training."""
    data = few_tested(config)
    frozen = FrozenEncoder.of(config, len(data.class_names))
    unit_ND = frozen.embed_all(data.test).astype(np.float64)
    unit_ND /= np.linalg.norm(unit_ND, axis=1, keepdims=True)
    labels_N = data.test.labels_N
    return {
        "labels": PredictedClasses.of({"label": labels_N}).to_json(),
        "to_class": _rounded(centre_distances(unit_ND, labels_N)),
        "to_mean": _rounded(mean_distances(unit_ND)),
        "geometry": embedding_geometry(unit_ND, labels_N),
    }


def measure(data: Path, tasks: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield what is not kept yet: of each task its rows, then draw by draw the methods that are named first, and the
    last one."""
    kept = {(line["task"], line.get("method"), line.get("draw")) for line in read()} if RESULTS.exists() else set()
    for task in tasks:
        if (task, None, None) not in kept:
            yield {"task": task, **rows_of(config_of(data, task, "frozen"))}
    *first, last = METHODS
    for methods, index, task in product((first, [last]), range(CONFIRMATION_START, CONFIRMATION_START + DRAWS), tasks):
        for method in methods:
            if (task, method, index) not in kept:
                found = trained(config_of(data, task, method), index)
                yield {"task": task, "method": method, "draw": index, **_kept(found)}


def read() -> list[dict[str, Any]]:
    """The lines that are kept."""
    return [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]


def judged_arms(task: str) -> dict[str, Judged]:
    """How sure each method was on the draws that all of them have."""
    lines = [line for line in read() if line["task"] == task]
    labels_N = next(_classes(line["labels"], "label") for line in lines if "labels" in line)
    by_method = {name: {line["draw"]: line for line in lines if line.get("method") == name} for name in METHODS}
    return {name: _judged(by_draw, labels_N) for name, by_draw in by_method.items() if by_draw}


def _judged(by_draw: Mapping[int, Mapping[str, Any]], labels_N: NDArray[np.int64]) -> Judged:
    draws = sorted(by_draw)
    kept = [Confidences.from_json(by_draw[draw]["confidences"]) for draw in draws]
    values = [each.values() for each in kept]
    right = [_classes(by_draw[draw]["predicted"], "judged") == labels_N for draw in draws]
    return Judged(
        draws=tuple(draws),
        right_KT=np.stack(right).astype(np.float64),
        values={name: np.stack([each[name] for each in values]) for name in values[0]},
        temperatures=tuple(each.temperature for each in kept),
    )


def _classes(packed: Mapping[str, Any], rule: str) -> NDArray[np.int64]:
    return PredictedClasses.from_json(packed).by_rule()[rule]


def tables() -> str:
    """Calibration, the detection of errors, and accuracy by distance, with intervals over draws and rows."""
    parts = {task: (judged_arms(task), _distances(task)) for task in TASKS}
    return "\n\n".join(
        [
            _table(
                (
                    "",
                    "draws",
                    "accuracy",
                    "confidence",
                    *(f"{name}, {state}" for name in ("ECE", "log loss") for state in _STATES),
                ),
                [_calibration(task, name, arm) for task, (arms, _) in parts.items() for name, arm in arms.items()],
            ),
            _table(
                (
                    "less cross-entropy",
                    *(f"{name}, {state}" for name in ("ECE", "log loss") for state in _STATES),
                ),
                [
                    _less(task, name, arm, arms["cross_entropy"])
                    for task, (arms, _) in parts.items()
                    for name, arm in arms.items()
                    if name != "cross_entropy"
                ],
            ),
            _table(
                ("", "errors told by confidence", "by margin", "by distance", "area under risk and coverage"),
                [_detection(task, name, arm) for task, (arms, _) in parts.items() for name, arm in arms.items()],
            ),
            _table(
                ("farthest less nearest row", "from the class", "from all rows"),
                [
                    (f"{task}, {name}", *(_change(arm.right_KT, distance_N) for distance_N in distances))
                    for task, (arms, distances) in parts.items()
                    for name, arm in arms.items()
                ],
            ),
        ]
    )


def _distances(task: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    line = next(line for line in read() if line["task"] == task and "to_class" in line)
    return np.array(line["to_class"]), np.array(line["to_mean"])


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = (columns, ("---", *("---:",) * (len(columns) - 1)), *rows)
    head, ruler, *rest = (f"| {' | '.join(each)} |" for each in lines)
    return "\n".join((head, ruler, *(line.replace("-", MINUS) for line in rest)))


def _calibration(task: str, name: str, arm: Judged) -> tuple[str, ...]:
    measures = [measured(arm, each, tempered=tempered) for each in ("ece", "nll") for tempered in (False, True)]
    ece, nll = (
        ["–" if each is None else _interval(each, scale) for each in pair]
        for pair, scale in ((measures[:2], 100), (measures[2:], 1))
    )
    means = (100 * arm.right_KT.mean(), 100 * arm.values["confidence"].mean())
    return (f"{task}, {name}", str(len(arm.draws)), *(f"{each:.1f}" for each in means), *ece, *nll)


def _less(task: str, name: str, arm: Judged, other: Judged) -> tuple[str, ...]:
    cells = []
    for measure, scale in (("ece", 100), ("nll", 1)):
        for tempered in (False, True):
            found = versus(arm, other, measure, tempered=tempered)
            cells.append("–" if found is None else _interval(found, scale, signed=True))
    return (f"{task}, {name}", *cells)


def _detection(task: str, name: str, arm: Judged) -> tuple[str, ...]:
    found = [measured(arm, each) for each in ("auroc_confidence", "auroc_margin", "auroc_nearness", "aurc")]
    return (f"{task}, {name}", *("–" if each is None else _interval(each, 100) for each in found))


def _change(right_KT: NDArray[np.float64], distance_N: NDArray[np.float64]) -> str:
    found = change_by_distance(right_KT, distance_N)
    if found is None:
        return "–"
    return f"{100 * found[0]:+.1f} ({100 * found[1]:+.1f} to {100 * found[2]:+.1f})"


def _interval(found: Measured | Versus, scale: int, *, signed: bool = False) -> str:
    sign, digits = "+" if signed else "", 1 if scale == 100 else 3
    if found.low is None or found.high is None:
        return f"{scale * found.mean:{sign}.{digits}f}"
    mean, low, high = (f"{scale * each:{sign}.{digits}f}" for each in (found.mean, found.low, found.high))
    return f"{mean} ({low} to {high})"


def _kept(found: Evaluation) -> dict[str, Any]:
    assert found.predicted is not None, found.reason
    assert found.confidences is not None, "all methods here have probabilities"
    geometry = {name: round(value, 4) for name, value in found.metrics.items() if name.startswith(PREFIX)}
    return {
        "predicted": PredictedClasses.of({"judged": found.predicted.judged}).to_json(),
        "confidences": found.confidences.to_json(),
        "geometry": geometry,
        "seconds": round(found.seconds, 1),
    }


def _rounded(values_N: NDArray[np.float64]) -> list[float]:
    return [round(value, 4) for value in values_N.tolist()]


def main() -> None:
    """Measure, or print the tables of what is kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.reliability", description=__doc__)
    parser.add_argument("what", choices=("measure", "table"))
    parser.add_argument("--data", type=Path, help="folder of SentEval's tasks")
    parser.add_argument("--tasks", default=",".join(TASKS), help="those that this process measures")
    options = parser.parse_args()
    if options.what == "table":
        print(tables())
    else:
        if options.data is None:
            parser.error("measure needs --data")
        for line in measure(options.data, options.tasks.split(",")):
            with RESULTS.open("ab", buffering=0) as file:  # one write, since several processes may share the file
                file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
            print(line["task"], line.get("method"), line.get("draw"), line.get("seconds"), flush=True)


if __name__ == "__main__":
    main()
