"""The spec of a sweep: what is compared, what is searched, under which protocol, and at what cost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, field_validator, model_validator
from pydantic_core import PydanticCustomError

from trainable.config import DatasetConfig

__all__ = ["Budget", "Protocol", "Pruning", "RangeSpec", "Resources", "SweepSpec", "Tracking"]


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RangeSpec(_Block):
    """A range to search: whole numbers or real ones, as the field is."""

    low: int | float
    high: int | float
    log: bool = Field(False, description="sample the logarithm uniformly")


class Protocol(_Block):
    """How a configuration is trained and scored; equal for all trials."""

    replicates: PositiveInt = Field(4, description="draws on which a configuration is trained; its score is the mean")
    evaluations: PositiveInt = Field(4, description="evaluations of a replicate, evenly spaced")
    steps: PositiveInt = Field(120, description="optimiser steps of a replicate")
    validation: Literal["all", "shots"] | PositiveInt = Field(
        "all", description="validation rows: all left, as many as the draw, or a number"
    )
    metric: Literal["accuracy", "macro_f1", "weighted_f1"] = Field("accuracy", description="what the score averages")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="the seed of draws, initialisations and search")


class Budget(_Block):
    """What a sweep may cost."""

    trials_per_cell: PositiveInt = Field(16, le=100_000, description="configurations tried in each cell")
    hours: PositiveFloat | None = Field(None, description="wall-clock hours of one run; the next run goes on")
    concurrency: PositiveInt | None = Field(None, description="trials at once; default: as many as fit on the cluster")


class Pruning(_Block):
    """When a trial stops early."""

    rule: Literal["asha", "median", "wilcoxon", "none"] = "asha"
    reduction_factor: int = Field(3, ge=2, le=100, description="asha: one in so many goes on at a rung")
    min_records: PositiveInt | None = Field(
        None, description="scores a rung must hold before it stops anything; default: reduction_factor"
    )
    rungs: tuple[PositiveInt, ...] | None = Field(
        None, description="report numbers; default: half-way through the first replicate, then after 1, 2, 4, ..."
    )


class Resources(_Block):
    """What one trial needs on a node."""

    cpu: PositiveFloat = Field(1, description="CPUs of a trial")
    gpu: Literal["auto"] | Annotated[float, Field(ge=0)] = Field(
        "auto", description="GPUs of a trial, fractions allowed; auto: one where there are any"
    )

    @field_validator("gpu")
    @classmethod
    def _whole_beyond_one(cls, gpu: str | float) -> str | float:
        if isinstance(gpu, float | int) and gpu > 1 and gpu != int(gpu):
            raise ValueError("more than one GPU must be a whole number")
        return gpu


class Tracking(_Block):
    """Where MLflow is."""

    experiment: str = Field("few-shot-sweep", min_length=1, max_length=250, description="the MLflow experiment")
    uri: str | None = Field(
        None, description="default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db in the current folder"
    )
    required: bool = Field(True, description="refuse to start while MLflow does not answer")

    @field_validator("experiment")
    @classmethod
    def _not_the_default(cls, experiment: str) -> str:
        if experiment.strip() in ("", "Default"):
            raise ValueError("the experiment needs a name of its own, other than Default")
        return experiment

    @field_validator("uri")
    @classmethod
    def _no_password(cls, uri: str | None) -> str | None:
        if uri is not None and re.search(r"://[^/@]*:[^/@]*@", uri):
            raise ValueError(
                "a password must not stand in a spec; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )
        return uri


class SweepSpec(_Block):
    """A whole sweep. `sweep.spec_file.load_spec` reads it from YAML, with the line of every mistake."""

    name: str = Field(
        "sweep", pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="names the folder and the MLflow run"
    )
    description: str = ""
    datasets: dict[str, DatasetConfig] = Field({}, description="names for your own data")
    compare: dict[str, list[Any]] = Field({}, description="axes; every combination is a cell")
    search: dict[str, Any] = Field(
        {}, description="trial fields, or loss names with their fields: a range, a list, or a value"
    )
    trial: dict[str, Any] = Field({}, description="fields that all trials share")
    protocol: Protocol = Protocol()
    budget: Budget = Budget()
    pruning: Pruning = Pruning()
    resources: Resources = Resources()
    tracking: Tracking = Tracking()
    ledger: str | None = Field(None, description="a postgresql:// URL; default: a journal file in the sweep's folder")

    @model_validator(mode="before")
    @classmethod
    def _name_datasets(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or not isinstance(data.get("datasets"), Mapping):
            return data
        named = {
            key: {**value, "name": key} if isinstance(value, Mapping) and "name" not in value else value
            for key, value in data["datasets"].items()
        }
        return {**data, "datasets": named}

    @field_validator("ledger")
    @classmethod
    def _postgres(cls, url: str | None) -> str | None:
        if url is None:
            return url
        if not re.match(r"postgresql(\+\w+)?://", url):
            raise ValueError("the ledger must be a postgresql:// URL, or be left out")
        if re.search(r"://[^/@]*:[^/@]*@", url):
            raise ValueError("a password must not stand in a spec; set PGPASSWORD or use ~/.pgpass")
        return url

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        from sweep.spec_rules import mistakes

        if found := mistakes(self):
            raise PydanticCustomError("mistakes", "{count} mistakes", {"count": len(found), "mistakes": found})
        return self

    def resolved(self) -> dict[str, Any]:
        """The spec with everything explicit, as JSON; `SweepSpec.model_validate` gives the same spec back."""
        dumped = self.model_dump(mode="json")
        dumped["datasets"] = {
            name: config.model_dump(mode="json", exclude_defaults=True, exclude={"name"})
            for name, config in self.datasets.items()
        }
        elsewhere = {*self.compare, *self.search}
        dumped["protocol"] = {name: value for name, value in dumped["protocol"].items() if name not in elsewhere}
        return dumped
