"""The blocks of a spec with a fixed set of fields, each a frozen pydantic model.

The fields of a trial, which `compare`, `search` and `trial` share out among them, are in `sweep.spec.fields`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationInfo, field_validator

from sweep.addresses import has_password
from trainable.draws import MAX_REPLICATES
from trainable.shots import VALIDATION

__all__ = [
    "BLOCKS",
    "RULES_WITH_RUNGS",
    "Budget",
    "Confirm",
    "Protocol",
    "Pruning",
    "Resources",
    "Tracking",
    "price_table",
]

_STRICT = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)
_STRIPPED: ConfigDict = {**_STRICT, "str_strip_whitespace": True}

RULES_WITH_RUNGS = ("asha", "median")
"""The pruning rules that compare trials at rungs; only these can be adaptive."""

_LOOKS = (1 / 3, 0.42, 0.55, 0.75)
_FEWEST_FOR_LOOKS = 16  # of fewer, a look at a third has too few to judge by


class Protocol(BaseModel):
    """How a trial is trained and scored. These are fields of a trial that all trials of a comparison usually share."""

    model_config = _STRICT

    replicates: int = Field(
        4,
        ge=1,
        le=MAX_REPLICATES,
        description="draws on which each configuration is trained and scored; its score is the mean over them",
    )
    evaluations: int = Field(
        4, ge=1, le=1000, description="evaluations of a replicate, evenly spaced over its steps, the last at its end"
    )
    steps: int = Field(120, ge=1, le=1_000_000, description="optimiser steps of a replicate")
    validation: Literal["auto", "cross", "all", "shots"] | Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        "auto", description=VALIDATION
    )
    metric: Literal["accuracy", "macro_f1", "weighted_f1"] = Field(
        "accuracy",
        description="metric on validation rows that the score averages; macro_f1: the mean of F1 over the classes that "
        "occur among labels or predictions, as in scikit-learn",
    )
    seed: int = Field(0, ge=0, le=2**32 - 1, description="seed of the draws, the initialisations and the search")


class Budget(BaseModel):
    """How much is tried, and what may be spent on it."""

    model_config = _STRICT

    trials_per_cell: int = Field(
        16, ge=1, le=10_000, description="trials of each cell; may be raised later, which extends the sweep"
    )
    hours: float | None = Field(
        None,
        gt=0,
        le=100_000,
        description="wall-clock limit of one run, in hours; the next run resumes the sweep; default: no limit",
    )
    gpu_hours: float | None = Field(
        None,
        gt=0,
        le=10_000_000,
        description="limit of the whole sweep in GPU-hours of training and scoring (hours times GPUs of a trial), "
        "discarded work included; default: no limit",
    )
    total_replicates: int | None = Field(
        None,
        ge=1,
        le=100_000_000,
        description="limit of the whole sweep in replicates, those of confirmations included; default: no limit",
    )
    target_score: float | None = Field(
        None,
        gt=0,
        le=1,
        description="score at which the search of a cell ends, once a completed trial reaches it; default: none",
    )
    stop: Literal["never", "worthwhile"] = Field(
        "never",
        description="when the search of a cell ends before it has all its trials; worthwhile: once what the others "
        "could still gain is less than what its confirmation could resolve",
    )
    failures: int = Field(
        5, ge=1, le=10_000, description="failed trials in a row after which a cell is given up; the others continue"
    )
    stall_minutes: float = Field(
        60.0,
        gt=0,
        le=100_000,
        description="time limit of one evaluation in minutes, from the start of a replicate or from the evaluation "
        "before; a worker that takes longer, or a minute more to start, is interrupted and its trial handed out again",
    )
    concurrency: int | None = Field(
        None, ge=1, le=100_000, description="trials that run at a time; default: as many as the cluster has room for"
    )


class Confirm(BaseModel):
    """How the winner of each cell is confirmed: on fresh draws and test rows (of few labels, each draw has its own)."""

    model_config = _STRICT

    draws: int = Field(
        20,
        ge=0,
        le=1000,
        description="fresh draws on which each cell's winner is trained, and scored on the test part; 0: no "
        "confirmation",
    )
    baseline: str | None = Field(
        None,
        description="method, a recipe with its loss, that the others are compared with; where one method alone is "
        "compared, a value of another axis, as `encoder=roberta-base`; default: frozen or else cross_entropy if it is "
        "compared, else the first",
    )
    finalists: int = Field(
        1,
        ge=1,
        le=100,
        description="at most so many best trials of a cell, if tied within noise, are trained on further draws to "
        "choose the winner; 1: none, the best score wins",
    )
    finalist_draws: int = Field(
        4,
        ge=1,
        le=MAX_REPLICATES,
        description="further draws, after those of the search, on which each finalist is trained",
    )
    reseeded: int = Field(
        4,
        ge=0,
        le=1000,
        description="confirmation draws that are trained a second time with another initialisation, to tell the "
        "variance of the seed from that of the draw",
    )
    margin: float = Field(
        1.0,
        ge=0,
        le=100,
        description="difference to the baseline, in points, below which a method counts as equivalent to it; 0: none "
        "is",
    )
    looks: Literal["auto", "off"] | Annotated[tuple[Annotated[int, Field(ge=2)], ...], Strict(False)] = Field(
        "off",
        description="numbers of draws, up to `draws`, after which each comparison is judged, and ends if it is decided "
        "or will hardly be; auto: after 33, 42, 55 and 75 % of them; off: all draws, judged once",
    )

    @field_validator("looks", mode="before")
    @classmethod
    def _off(cls, looks: Any) -> Any:
        return "off" if looks is False else looks  # as YAML reads it

    @field_validator("looks")
    @classmethod
    def _increasing(cls, looks: Any) -> Any:
        if isinstance(looks, tuple) and not (looks and _ascends(looks)):
            raise ValueError("looks are numbers of draws, each larger than the one before: [6, 8, 12, 17]")
        return looks

    @property
    def replicates(self) -> int:
        """How many replicates the confirmation of one winner trains, if it needs all draws."""
        return self.draws + min(self.draws, self.reseeded)

    @property
    def least_replicates(self) -> int:
        """How many it trains at least: those of the first look."""
        draws = self.look_draws[0] if self.look_draws else self.draws
        return draws + min(draws, self.reseeded)

    @property
    def look_draws(self) -> tuple[int, ...]:
        """The numbers of draws after which comparisons are judged, the last one being all; empty without looks."""
        if self.looks == "off" or (self.looks == "auto" and self.draws < _FEWEST_FOR_LOOKS):
            return ()
        given = (round(self.draws * share) for share in _LOOKS) if isinstance(self.looks, str) else self.looks
        return (*(look for look in given if look < self.draws), self.draws)


class Pruning(BaseModel):
    """Which trials are stopped early, and when."""

    model_config = _STRICT

    rule: Literal["asha", "median", "wilcoxon", "none"] = Field(
        "asha",
        description="rule that stops trials early: asynchronous successive halving, halving at the median, Wilcoxon's "
        "test against the best trial, or none",
    )
    reduction_factor: int = Field(
        3, ge=2, le=100, description="asha: at a rung, the best 1 / reduction_factor of the trials continue"
    )
    min_records: int | None = Field(
        None, ge=2, le=10_000, description="scores at a rung before it may stop a trial; default: reduction_factor"
    )
    rungs: Annotated[tuple[Annotated[int, Field(ge=1)], ...] | None, Strict(False)] = Field(
        None,
        min_length=1,
        description="numbers of evaluations, counted over all replicates of a trial, at which it is judged; default: "
        "half-way through the first replicate, then after 1, 2, 4, ... replicates",
    )
    adaptive: bool = Field(
        False,
        description="whether a rung stops trials only after a pilot, and only while the cell's completed trials show "
        "that it predicts their final order",
    )

    @field_validator("adaptive")
    @classmethod
    def _has_rungs(cls, adaptive: bool, info: ValidationInfo) -> bool:
        rule = info.data.get("rule")
        if adaptive and rule is not None and rule not in RULES_WITH_RUNGS:
            known = ", ".join(RULES_WITH_RUNGS)
            raise ValueError(f"only a rule with rungs can be adaptive: {known}; the rule is {rule}")
        return adaptive

    @field_validator("rungs")
    @classmethod
    def _ascending(cls, rungs: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if rungs is not None and not _ascends(rungs):
            raise ValueError("rungs are numbers of evaluations in ascending order, each once")
        return rungs


class Resources(BaseModel):
    """What one trial occupies on a machine while it runs."""

    model_config = _STRICT

    cpu: float = Field(1.0, gt=0, le=4096, description="CPU cores of a trial; may be a fraction")
    gpu: Literal["auto"] | Annotated[float, Field(ge=0, le=1)] = Field(
        "auto",
        description="GPUs of a trial, which trains on one at most: 0, a fraction of one, 1, or `auto` (one if the "
        "cluster has any)",
    )

    @field_validator("gpu", mode="before")
    @classmethod
    def _one_at_most(cls, gpu: Any) -> Any:
        if isinstance(gpu, int | float) and not isinstance(gpu, bool) and gpu > 1:
            raise ValueError(
                "a trial trains on one GPU, and more would stand idle: write 1, and other trials take the others"
            )
        return gpu


class Tracking(BaseModel):
    """Where MLflow keeps the sweep's runs."""

    model_config = _STRIPPED

    experiment: str = Field("few-shot-sweep", min_length=1, max_length=250, description="MLflow experiment of the runs")
    uri: str | None = Field(
        None,
        min_length=1,
        description="address of the MLflow store; default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db in the "
        "current folder",
    )
    required: bool = Field(
        True,
        description="whether a run is refused if the store does not answer at its start; otherwise it keeps trying",
    )

    @field_validator("experiment")
    @classmethod
    def _not_the_default(cls, experiment: str) -> str:
        if experiment.strip().lower() in ("", "default"):
            raise ValueError("a sweep needs an experiment of its own: give it a name other than Default")
        return experiment

    @field_validator("uri")
    @classmethod
    def _no_password(cls, uri: str | None) -> str | None:
        if uri is not None and has_password(uri):
            raise ValueError(
                "a spec is kept and shared, so an address in it must not hold a password or token: set "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in the environment, or for a database the whole "
                "address as MLFLOW_TRACKING_URI"
            )
        return uri


def _ascends(numbers: Sequence[int]) -> bool:
    """Whether each number is larger than the one before."""
    return list(numbers) == sorted(set(numbers))


def price_table(prices: Any) -> Mapping[str, tuple[float, float]]:
    """The lowest and the highest price in USD per hour of each kind of machine.

    Raises ValueError for anything but a number or a pair of them.
    """
    if not isinstance(prices, Mapping):
        raise ValueError("prices is a mapping from kinds of machines to USD per hour, as `g6.xlarge: [0.35, 0.80]`")
    return {str(machine): _price(str(machine), price) for machine, price in prices.items()}


def _price(machine: str, price: Any) -> tuple[float, float]:
    bounds = list(price) if isinstance(price, list | tuple) else [price, price]
    numbers = [bound for bound in bounds if isinstance(bound, int | float) and not isinstance(bound, bool)]
    if len(bounds) != 2 or len(numbers) != 2 or not 0 <= numbers[0] <= numbers[1] < math.inf:
        raise ValueError(
            f"the price of {machine} is USD per hour: a number, or [low, high], as spot and on demand; received {price}"
        )
    return float(numbers[0]), float(numbers[1])


BLOCKS: Mapping[str, type[BaseModel]] = MappingProxyType(
    {
        "protocol": Protocol,
        "budget": Budget,
        "pruning": Pruning,
        "confirm": Confirm,
        "resources": Resources,
        "tracking": Tracking,
    }
)
"""The models of these blocks by the names that they have in a spec."""
