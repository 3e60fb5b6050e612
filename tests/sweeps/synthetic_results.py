"""A sweep that never ran: a ledger's records, drawn from a known truth. Shapes: C classes, T test rows.

The accuracy of a replicate is: level of the dataset and its shots + gain of the loss + quality of the configuration
+ effect of the draw, which all trials of a dataset and number of shots share + noise of the training.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np

from sweep.display.cells_table import best_trial
from sweep.records.confirmation import ConfirmationRecord, ReplicateRecord, Role
from sweep.records.results import SweepResults
from sweep.records.sweep import DataRecord, SweepRecord, SweepState
from sweep.records.trial import EvaluationRecord, TrialRecord
from sweep.spec.cells import Cell, cells
from sweep.spec.model import SweepSpec
from trainable.config import TrialConfig
from trainable.datasets import DATASETS
from trainable.draws import CONFIRMATION_START
from trainable.evaluation.metrics import classification_metrics
from trainable.field_conflicts import PUBLISHED
from trainable.outcomes import Evaluation, Outcome
from trainable.predicted_classes import PredictedClasses
from trainable.ranges import Choice, IntRange, Range, Scalar

__all__ = ["GAIN", "synthetic_results"]

BEGAN = 1_700_000_000.0
GAIN: Mapping[str, float] = {"soft_triple": 0.03, "proxy_anchor": 0.015, "supcon": -0.01}
"""The true gains of losses over the level of the data, as shares; of every other loss 0."""

ENDS = (Outcome.COMPLETED, Outcome.COMPLETED, Outcome.PRUNED, Outcome.COMPLETED, Outcome.DIVERGED, Outcome.FAILED)
"""How the trials of a cell end, in turn."""

_DATA = {
    "trec": (
        ("abbreviation", "entity", "description", "human", "location", "numeric"),
        (9, 94, 138, 65, 81, 113),
        5452,
    ),
    "cr": (("negative", "positive"), (342, 602), 2831),
}


def synthetic_results(
    *,
    datasets: Sequence[str] = ("trec", "cr"),
    shots: Sequence[int] = (8,),
    losses: Sequence[str] = ("cross_entropy", "soft_triple", "proxy_anchor", "supcon"),
    draws: int = 10,
    trials: int = 6,
    reseeded: int = 2,
    seed: int = 0,
    gain: Mapping[str, float] = GAIN,
    draw_sd: float = 0.05,
    noise_sd: float = 0.02,
    quality_sd: float = 0.02,
    diverged: Mapping[str, int] | None = None,
    failed: Mapping[str, int] | None = None,
    missing: Mapping[str, int] | None = None,
    unconfirmed: Sequence[str] = (),
    ends: Sequence[Outcome] = ENDS,
    state: SweepState = SweepState.FINISHED,
    classes: Sequence[str] = ("negative", "positive"),
    **blocks: Any,
) -> SweepResults:
    """The records of a sweep over `datasets` x `shots` x `losses`, a pure function of the arguments.

    gain: by loss, its true gain in accuracy. diverged, failed, missing: by loss, how many of the first draws of its
    confirmations ended so, or have not ended yet. unconfirmed: losses whose winners were not confirmed. ends: how the
    trials of a cell end, in turn. classes: of the datasets other than trec and cr. blocks: whole blocks of the spec, or
    fields of the blocks that are set here.
    """
    spec = _spec(datasets, shots, losses, draws, trials, reseeded, blocks)
    plan = _Plan(
        spec=spec,
        seed=seed,
        gain=gain,
        draw_sd=draw_sd,
        noise_sd=noise_sd,
        quality_sd=quality_sd,
        ends=tuple(ends),
        classes=tuple(classes),
        wrong={Outcome.DIVERGED: diverged or {}, Outcome.FAILED: failed or {}, Outcome.INTERRUPTED: missing or {}},
    )
    tried = {cell.key: tuple(plan.trial(cell, number) for number in range(trials)) for cell in cells(spec)}
    winners = [best_trial(records) for key, records in tried.items() if key.split("/")[2] not in unconfirmed]
    confirmed = tuple(plan.confirmation(winner) for winner in winners if winner is not None) if draws else ()
    sweep = SweepRecord(
        id="5f2c",
        name=spec.name,
        spec=spec.resolved(),
        created=BEGAN,
        ended=plan.now() if state is not SweepState.RUNNING else None,
        state=state,
        provenance={"git_commit": "abc123", "version.torch": "2.12.1", "gpu": "none"},
        data={name: plan.data(name) for name in datasets},
    )
    return SweepResults(
        sweep=sweep, trials=tuple(trial for records in tried.values() for trial in records), confirmations=confirmed
    )


def _spec(
    datasets: Sequence[str],
    shots: Sequence[int],
    losses: Sequence[str],
    draws: int,
    trials: int,
    reseeded: int,
    blocks: Mapping[str, Any],
) -> SweepSpec:
    known: dict[str, Any] = {
        "name": "synthetic",
        "datasets": {name: {"path": f"{name}.csv"} for name in datasets if name not in DATASETS},
        "compare": {"dataset": list(datasets), "shots": list(shots), "loss": list(losses)},
        "trial": {"encoder": "tiny"},
        "protocol": {"replicates": 3, "evaluations": 2, "steps": 40, "validation": "shots"},
        "budget": {"trials_per_cell": trials},
        "confirm": {"draws": draws, "reseeded": reseeded},
    }
    for name, value in blocks.items():
        known[name] = {**known[name], **value} if isinstance(value, dict) and name in known else value
    return SweepSpec.model_validate(known)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """The truth from which records are drawn, and a clock that ticks once a record."""

    spec: SweepSpec
    seed: int
    gain: Mapping[str, float]
    draw_sd: float
    noise_sd: float
    quality_sd: float
    ends: tuple[Outcome, ...]
    classes: tuple[str, ...]
    wrong: Mapping[Outcome, Mapping[str, int]]
    clock: count[int] = field(default_factory=lambda: count(1))

    def now(self) -> float:
        return BEGAN + next(self.clock)

    def generator(self, *words: object) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(repr(words).encode())])

    def data(self, name: str) -> DataRecord:
        unknown = (self.classes, tuple(240 + 20 * place for place in range(len(self.classes))), 2000)
        class_names, test_counts, pool = _DATA.get(name, unknown)
        return DataRecord(
            name=name,
            class_names=class_names,
            pool=pool,
            test=sum(test_counts),
            test_counts=test_counts,
            labels=PredictedClasses.of({"label": np.repeat(np.arange(len(class_names)), test_counts)}),
        )

    def accuracy(self, config: TrialConfig, quality: float, draw: int, initialisation: int = 0) -> float:
        data = config.dataset.name
        level = 0.68 + 0.06 * self.generator("level", data).random() + 0.02 * np.log2(config.shots)
        common = self.generator("draw", data, config.shots, draw).normal(0, self.draw_sd)
        new = {
            "recipe",
            "embedding",
            "prompt",
            "dataset.holdout",
            *PUBLISHED,
        }  # of today: the numbers of the golden files are older
        fields = sorted((name, value) for name, value in config.flat().items() if name not in new)
        noise = self.generator("noise", fields, draw, initialisation).normal(0, self.noise_sd)
        return float(np.clip(level + self.gain.get(config.method, 0.0) + quality + common + noise, 0.02, 0.98))

    # ---- the search --------------------------------------------------------------------------------------------------

    def trial(self, cell: Cell, number: int) -> TrialRecord:
        """One that ended as planned: pruned after its first replicate, diverged or failed in its second."""
        params = self.params(cell, number)
        config, outcome = cell.config(params), self.ends[number % len(self.ends)]
        started = self.now()
        done = config.replicates if outcome is Outcome.COMPLETED else 1
        evaluations = [
            each
            for replicate in range(done)
            for each in self.evaluations(config, self.quality(cell, number), replicate)
        ]
        if outcome in (Outcome.DIVERGED, Outcome.FAILED):
            at = {"draw": 1, "replicate": 1, "point": 1, "step": 10}
            evaluations.append(Evaluation(**at, outcome=outcome, reason=_REASONS[outcome], detail=""))  # type: ignore[arg-type]
        recorded = self.recorded(evaluations, config)
        return TrialRecord(
            cell=cell.key,
            number=number,
            params=params,
            config=config,
            started=started,
            ended=self.now(),
            outcome=outcome,
            reason=_REASONS[outcome],
            score=next((each.score for each in reversed(recorded) if each.score is not None), None),
            evaluations=recorded,
        )

    def params(self, cell: Cell, number: int) -> dict[str, Scalar]:
        if number == 0:
            return cell.default_params()
        generator = self.generator("params", cell.key, number)
        loss = str(generator.choice(list(cell.spaces)))
        chosen: dict[str, Scalar] = {"loss": loss} if len(cell.spaces) > 1 else {}
        return chosen | {name: _sample(values, generator) for name, values in cell.spaces[loss].items()}

    def quality(self, cell: Cell, number: int) -> float:
        return float(self.generator("quality", cell.key, number).normal(0, self.quality_sd))

    def evaluations(self, config: TrialConfig, quality: float, replicate: int) -> list[Evaluation]:
        """The evaluations of one replicate: each nearer to what the draw gives in the end."""
        found = []
        for evaluation in range(1, config.evaluations + 1):
            share = evaluation / config.evaluations
            accuracy = self.accuracy(config, quality, replicate) * (0.6 + 0.4 * share)
            metrics = _scores("val_", accuracy, accuracy - 0.03, accuracy - 0.01) | _training(share)
            step = config.steps * evaluation // config.evaluations
            found.append(Evaluation(draw=replicate, replicate=replicate, point=evaluation, step=step, metrics=metrics))
        return found

    def recorded(self, evaluations: Sequence[Evaluation], config: TrialConfig) -> tuple[EvaluationRecord, ...]:
        records, ended = [], list[float]()
        for number, evaluation in enumerate(evaluations, start=1):
            value = evaluation.metrics.get(f"val_{config.metric}")
            if value is not None and evaluation.point == config.evaluations:
                ended.append(value)
            score = None if value is None else float(np.mean(ended)) if ended else value
            records.append(EvaluationRecord(number=number, time=self.now(), score=score, evaluation=evaluation))
        return tuple(records)

    # ---- the confirmation --------------------------------------------------------------------------------------------

    def confirmation(self, winner: TrialRecord) -> ConfirmationRecord:
        """Every draw once, the first ones a second time with another initialisation."""
        wanted = [(draw, 0) for draw in range(self.spec.confirm.draws)]
        wanted += [(draw, 1) for draw in range(min(self.spec.confirm.reseeded, self.spec.confirm.draws))]
        config = winner.config.model_copy(update={"evaluations": 1})
        quality = float(self.generator("quality", winner.cell, winner.number).normal(0, self.quality_sd))
        started = self.now()
        evaluations = [self.replicate(config, quality, *each) for each in wanted]
        replicates = tuple(
            ReplicateRecord(time=self.now(), evaluation=evaluation)
            for evaluation in evaluations
            if evaluation is not None
        )
        whole = len(replicates) == len(wanted)
        return ConfirmationRecord(
            cell=winner.cell,
            number=0,
            role=Role.CONFIRMATION,
            trial=winner.number,
            config=config,
            started=started,
            ended=self.now() if whole else None,
            outcome=Outcome.COMPLETED if whole else None,
            replicates=replicates,
            attempts={f"{CONFIRMATION_START + draw}.{initialisation}": 1 for draw, initialisation in wanted},
        )

    def replicate(self, config: TrialConfig, quality: float, draw: int, initialisation: int) -> Evaluation | None:
        """None where it has not ended yet."""
        index = CONFIRMATION_START + draw
        at: dict[str, Any] = {"draw": index, "replicate": draw, "point": 1, "initialisation": initialisation}
        for outcome, counts in self.wrong.items():
            if draw < counts.get(config.method, 0):
                if outcome is Outcome.INTERRUPTED:
                    return None
                return Evaluation(**at, step=10, outcome=outcome, reason=_REASONS[outcome])
        wanted = self.accuracy(config, quality, index, initialisation)
        noise = self.generator("test", config.model_dump_json(), index, initialisation)
        confusion_CC, metrics, predicted = _scored(self.data(config.dataset.name), wanted, noise)
        metrics |= _training(1.0)
        return Evaluation(**at, step=config.steps, metrics=metrics, confusion=confusion_CC, predicted=predicted)


_REASONS = {
    Outcome.COMPLETED: "",
    Outcome.PRUNED: "score below the best third at the rung of 2 reports",
    Outcome.DIVERGED: "the loss is not finite at step 10",
    Outcome.FAILED: "out of memory: the allocator gave no details",
    Outcome.INTERRUPTED: "stopped by Ctrl-C",
}


def _sample(values: Range, generator: np.random.Generator) -> Scalar:
    if isinstance(values, Choice):
        return values.values[int(generator.integers(len(values.values)))]
    low, high = float(values.low), float(values.high)
    drawn = float(np.exp(generator.uniform(np.log(low), np.log(high))) if values.log else generator.uniform(low, high))
    return (
        min(max(round(drawn), values.low), values.high) if isinstance(values, IntRange) else min(max(drawn, low), high)
    )


def _scores(prefix: str, accuracy: float, macro_f1: float, weighted_f1: float) -> dict[str, float]:
    named = {"accuracy": accuracy, "macro_f1": macro_f1, "weighted_f1": weighted_f1, "loss": 2 * (1 - accuracy)}
    return {prefix + name: float(max(value, 0.0)) for name, value in named.items()}


def _training(share: float) -> dict[str, float]:
    return {
        "train_loss": 2 - 1.5 * share,
        "train_cross_entropy": 1.5 - share,
        "train_metric_loss": 2.5 - 2 * share,
        "train_seconds": 3.0,
        "eval_seconds": 1.0,
        "tokens": 4000.0,
    }


def _scored(
    data: DataRecord, accuracy: float, generator: np.random.Generator
) -> tuple[tuple[tuple[int, ...], ...], dict[str, float], PredictedClasses]:
    """A confusion matrix with this accuracy, each wrong row in a random other class, its metrics, and what was
    predicted."""
    classes = len(data.class_names)
    labels_T = np.repeat(np.arange(classes), data.test_counts)
    wrong_T = np.zeros(data.test, dtype=bool)
    wrong_T[generator.permutation(data.test)[: round((1 - accuracy) * data.test)]] = True
    shift_T = np.where(wrong_T, generator.integers(1, classes, data.test), 0)
    predicted_T = (labels_T + shift_T) % classes
    scores = classification_metrics(labels_T, predicted_T, classes)
    confusion_CC = np.bincount(labels_T * classes + predicted_T, minlength=classes**2).reshape(classes, classes)
    rules = {"head": 0.0, "nearest": -0.02, "neighbours": -0.01, "mixture": -0.005}
    metrics = _scores("test_", scores["accuracy"], scores["macro_f1"], scores["weighted_f1"])
    for rule, offset in rules.items():
        metrics[f"test_{rule}_accuracy"] = float(np.clip(scores["accuracy"] + offset, 0, 1))
    metrics |= _scores("val_", accuracy, accuracy - 0.03, accuracy - 0.01)
    predicted = PredictedClasses.of({"head": predicted_T})
    return tuple(tuple(map(int, row_C)) for row_C in confusion_CC), metrics, predicted
