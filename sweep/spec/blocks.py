"""The blocks of a spec whose fields are always the same. What trials are made of is in `sweep.spec.fields`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationInfo, field_validator

from sweep.addresses import has_password

__all__ = ["BLOCKS", "Budget", "Confirm", "Protocol", "Pruning", "Resources", "Tracking", "price_table"]

_STRICT = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)
_CLEAN = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)


MAX_REPLICATES = 1000  # far below the first draw of the confirmation, trainable.draws.CONFIRMATION_START


class Protocol(BaseModel):
    """How a trial is trained and scored: fields of a trial that all trials of a comparison usually share."""

    model_config = _STRICT

    replicates: int = Field(
        4, ge=1, le=MAX_REPLICATES, description="draws on which each configuration is trained and scored"
    )
    evaluations: int = Field(
        4, ge=1, le=1000, description="evaluations of a replicate, evenly spaced, the last at its end"
    )
    steps: int = Field(120, ge=1, le=1_000_000, description="optimiser steps of a replicate")
    validation: Literal["all", "shots"] | Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        "all", description="validation rows: every row left, as many as the draw has, or a number"
    )
    metric: Literal["accuracy", "macro_f1", "weighted_f1"] = Field("accuracy", description="what the score averages")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="the seed of draws, initialisations and the search")


class Budget(BaseModel):
    """How much is tried."""

    model_config = _STRICT

    trials_per_cell: int = Field(16, ge=1, le=10_000, description="trials of each cell; may be raised later")
    hours: float | None = Field(None, gt=0, le=100_000, description="wall-clock limit of one run; the next run goes on")
    gpu_hours: float | None = Field(
        None,
        gt=0,
        le=10_000_000,
        description="limit of the sweep's training and scoring, lost work included: hours times GPUs of a trial",
    )
    total_replicates: int | None = Field(
        None, ge=1, le=100_000_000, description="limit of the sweep's trainings, those of confirmations included"
    )
    target_score: float | None = Field(
        None, gt=0, le=1, description="the search of a cell ends once a completed trial scores as much"
    )
    failures: int = Field(
        5, ge=1, le=10_000, description="trials of a cell that may fail in a row; then the cell is given up"
    )
    stall_minutes: float = Field(
        60.0,
        gt=0,
        le=100_000,
        description="time for one report, from the start of a replicate or from the report before; a worker that takes "
        "longer is broken off and its trial handed out again",
    )
    concurrency: int | None = Field(None, ge=1, le=100_000, description="trials at a time; default: as many as fit")


class Confirm(BaseModel):
    """How the winner of each cell is confirmed: fresh draws, scored on the test part, which the search never sees."""

    model_config = _STRICT

    draws: int = Field(
        20, ge=0, le=1000, description="fresh draws on which each winner is trained and tested; 0: no confirmation"
    )
    baseline: str | None = Field(
        None,
        description="the loss that the others are compared with; default: cross_entropy if it is compared, else the "
        "first loss",
    )
    finalists: int = Field(
        1, ge=1, le=100, description="best trials, tied within noise, among which further draws decide; 1: no decider"
    )
    finalist_draws: int = Field(4, ge=1, le=1000, description="further draws of the search for each finalist")
    reseeded: int = Field(
        4,
        ge=0,
        le=1000,
        description="confirmation draws that are trained a second time with another initialisation, which tells the "
        "variance of the seed from that of the draw",
    )

    @property
    def replicates(self) -> int:
        """Trainings of one winner."""
        return self.draws + min(self.draws, self.reseeded)


class Pruning(BaseModel):
    """Which trials are stopped early, and when."""

    model_config = _STRICT

    rule: Literal["asha", "median", "wilcoxon", "none"] = Field("asha", description="the rule that stops trials early")
    reduction_factor: int = Field(3, ge=2, le=100, description="asha: one in so many goes on past a rung")
    min_records: int | None = Field(
        None, ge=2, le=10_000, description="scores that a rung needs before it stops a trial; default: reduction_factor"
    )
    rungs: Annotated[tuple[Annotated[int, Field(ge=1)], ...] | None, Strict(False)] = Field(
        None,
        min_length=1,
        description="report numbers at which trials are judged; default: half-way through the first replicate, then "
        "after 1, 2, 4, ... replicates",
    )
    adaptive: bool = Field(
        False,
        description="whether a rung stops trials of a cell only once, and while, it is seen to predict the final order",
    )

    @field_validator("adaptive")
    @classmethod
    def _has_rungs(cls, adaptive: bool, info: ValidationInfo) -> bool:
        rule = info.data.get("rule")
        if adaptive and rule in ("wilcoxon", "none"):
            raise ValueError(f"only asha and median judge at rungs, which could adapt; the rule is {rule}")
        return adaptive

    @field_validator("rungs")
    @classmethod
    def _ascending(cls, rungs: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if rungs is not None and list(rungs) != sorted(set(rungs)):
            raise ValueError("rungs are report numbers in ascending order, each once")
        return rungs


class Resources(BaseModel):
    """What one trial occupies on a machine."""

    model_config = _STRICT

    cpu: float = Field(1.0, gt=0, le=4096, description="CPU cores of a trial; may be a fraction")
    gpu: Literal["auto"] | Annotated[float, Field(ge=0, le=1024)] = Field(
        "auto", description="GPUs of a trial: 0, a fraction of one, a whole number, or `auto` (one where there are any)"
    )

    @field_validator("gpu")
    @classmethod
    def _fraction_or_whole(cls, gpu: float | str) -> float | str:
        if isinstance(gpu, float) and gpu > 1 and not gpu.is_integer():
            raise ValueError("more than one GPU must be a whole number: Ray shares no trial over parts of several")
        return gpu


class Tracking(BaseModel):
    """Where the runs are shown."""

    model_config = _CLEAN

    experiment: str = Field("few-shot-sweep", min_length=1, max_length=250, description="the MLflow experiment")
    uri: str | None = Field(
        None, min_length=1, description="the MLflow store; default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db here"
    )
    required: bool = Field(True, description="whether a store that does not answer refuses the run")

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


def price_table(prices: Any) -> Mapping[str, tuple[float, float]]:
    """The lowest and highest price of each machine. Raises ValueError for what is no price."""
    if not isinstance(prices, Mapping):
        raise ValueError("prices is a mapping from kinds of machines to USD per hour, as `g6.xlarge: [0.35, 0.80]`")
    return {str(machine): _price(str(machine), price) for machine, price in prices.items()}


def _price(machine: str, price: Any) -> tuple[float, float]:
    bounds = list(price) if isinstance(price, list | tuple) else [price, price]
    numbers = [each for each in bounds if isinstance(each, int | float) and not isinstance(each, bool)]
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
"""The blocks by their names in a spec."""
