"""The contract of a recipe, a way from labelled rows to a classifier: what its file in this folder must declare."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from trainable.ranges import Choice, Range, Scalar

if TYPE_CHECKING:
    from trainable.classifier import Classifier
    from trainable.confidences import Confidences
    from trainable.config import TrialConfig
    from trainable.datasets.text_data import TextData
    from trainable.draws import Draw
    from trainable.evaluation.assessment import Assessment
    from trainable.losses import LossEntry
    from trainable.predicted_classes import PredictedClasses

__all__ = [
    "ENCODING",
    "TRAINING",
    "Measurement",
    "Part",
    "RecipeConfig",
    "RecipeEntry",
    "RecipeRun",
    "Trained",
    "Trial",
]

Part = Literal["validation", "test"]
Trained = Literal["encoder", "head", "nothing", "elsewhere"]

ENCODING = frozenset({"encoder", "encoder_revision", "embedding", "prompt", "max_length", "precision"})
"""The fields of a trial that concern an encoder and what it makes of a text."""

TRAINING = frozenset(
    {
        "loss",
        "beta",
        "head",
        "inference",
        "encoder_lr",
        "head_lr",
        "proxy_lr",
        "proxy_start",
        "layer_decay",
        "frozen_layers",
        "new_layers",
        "lora_rank",
        "weight_decay",
        "schedule",
        "warmup",
        "clip",
        "steps",
        "batch_size",
        "batches",
        "views",
        "projection",
        "class_weights",
        "priors",
        "restarts",
        "compatibility",
        "evaluations",
    }
)
"""The fields of a trial that concern the training of an encoder by gradient descent."""


class RecipeConfig(BaseModel):
    """The fields of one recipe: a subclass adds `name: Literal[...]` and its own fields with their valid ranges."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What all replicates of a trial share, whatever its recipe.

    config: the trial's configuration.
    data: its dataset.
    draws: index of each replicate's draw.
    samples: training, validation and test rows of each replicate.
    part: the rows that are scored, validation rows alone or the test part too.
    initialisation: which of each draw's initialisations is trained; 0 is the one of a search.
    temperature: what the scores of test rows are divided by where a draw has no validation rows that would tell; None
        if that is not known.
    """

    config: TrialConfig
    data: TextData
    draws: tuple[int, ...]
    samples: tuple[Draw, ...]
    part: Part
    initialisation: int = 0
    temperature: float | None = None

    @property
    def evaluations(self) -> int:
        """How often a replicate is evaluated; with the test part, only at its end."""
        return 1 if self.part == "test" else self.config.evaluations

    def test_rows(self, replicate: int) -> NDArray[np.int64]:
        """The rows of the dataset's test part that a replicate is scored on."""
        own = self.samples[replicate].test
        return np.arange(len(self.data.test)) if own is None else own

    def tested(self, replicate: int) -> tuple[int, ...]:
        """The same where a draw tests a part of them; else empty."""
        own = self.samples[replicate].test if self.part == "test" else None
        return () if own is None else tuple(own.tolist())


@dataclass(frozen=True, slots=True)
class Measurement:
    """The metrics of a replicate after `step` optimiser steps; the other fields are those of an Evaluation, and the
    scores of an Assessment."""

    step: int
    metrics: dict[str, float]
    trained_on: str
    confusion: tuple[tuple[int, ...], ...] = ()
    predicted: PredictedClasses | None = None
    confidences: Confidences | None = None
    scores_NC: NDArray[np.floating] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, scored: Assessment, *, step: int, metrics: Mapping[str, float], trained_on: str) -> Measurement:
        """Return what an assessment says. metrics: what is told beside its own, as times and the terms of the loss."""
        return cls(
            step,
            {**scored.metrics, **metrics},
            trained_on,
            scored.confusion,
            scored.predicted,
            scored.confidences,
            scored.scores_NC,
        )


class RecipeRun(Protocol):
    """A recipe at work on one trial."""

    def measurements(self, replicate: int) -> Iterator[Measurement]:
        """Train on `trial.samples[replicate]`, and yield a measurement for each of `trial.evaluations`.

        All randomness derives from the trial's seed, the draw's index and the initialisation.

        Raises DivergedError for a loss, a gradient or a score that is not finite.
        """

    def release(self) -> None:
        """Give up what no other trial may see, such as gradients."""


def _accepts(config: TrialConfig, data: TextData) -> None:
    """Refuse nothing."""


def _reads_once(config: TrialConfig, rows: int) -> int:
    return rows


def _as_it_is(config: TrialConfig) -> TrialConfig:
    return config


def _stays(config: TrialConfig, compared: int, rows: int) -> TrialConfig:
    return config


def _carries_nothing(config: TrialConfig, data: object) -> None:
    return None


def _reads_nothing(config: TrialConfig) -> Mapping[str, str]:
    return {}


def _says_nothing(config: TrialConfig, data: TextData) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeEntry:
    """One recipe as the rest of the project uses it.

    config: the pydantic model of its own fields.
    summary: what it does, in a sentence without its end.
    source: where it comes from, each paper with its identifier.
    losses: which losses it can be trained with: all of them, those that are metric losses, or none, since it has no
        loss to choose.
    fields: the fields of a trial that it reads, of those that not every recipe does.
    constants: the values of such fields that it does not read, where they differ from the defaults.
    begin: (trial) -> the recipe at work on it. Called where trials are trained, so it may load torch. Raises
        TrainableError for an encoder or fields that cannot be used.
    search: the range of each of its own fields that a sweep searches unless the spec says otherwise.
    search_source: where these ranges come from; empty if nothing is searched.
    conditions: its own fields that are read only where another one has certain values: the other field and the values.
    trains: what a draw's rows train: an encoder; a head alone, over what takes no training; nothing, as no labelled
        rows are read; or nothing here, as another system gave the answers, and took its time elsewhere. The verdict
        says of it whether training pays, may fail, or would gain by more labels.
    check: (trial's configuration, dataset) -> nothing. Refuses what `begin` would refuse, without loading torch, so
        that a sweep does not begin. Raises TrainableError.
    embeds_once: whether it reads texts by their kept embeddings alone, which all trials of a machine share.
    searchable: whether its own fields may be searched.
    cost: (trial's configuration, rows of a draw) -> how many rows its training reads; one that is trained on counts as
        three that are scored.
    shortened: (trial's configuration) -> one that trains for a moment, of which `cost` says how much less it reads, so
        that a plan can tell the time of the whole; by default the same.
    bounded: (trial's configuration, rows that it was compared with, rows) -> one whose training does not take for ever
        on so many rows, where that grows faster than the rows do; by default the same.
    keep: (trial) -> the classifier that the rows of its first sample train, as it is kept; None if none can be kept.
        Raises TrainableError as `begin` does.
    carry: (trial's configuration, dataset) -> what `begin` needs of the driver's machine beside the data and the
        encoder, as plain data; None if nothing. Raises TrainableError if it cannot be read.
    receive: (trial's configuration, what was carried) -> nothing. Called on a worker before `check` and `begin`.
    digest: (trial's configuration) -> by name, what the trial reads beside its data and the files of its encoder, as a
        hash. Raises TrainableError if it cannot be read.
    notes: (trial's configuration, dataset) -> what a user should know of the data before they are used so.
    """

    config: type[RecipeConfig]
    summary: str
    source: str
    losses: Literal["all", "metric", "none"]
    fields: frozenset[str]
    begin: Callable[[Trial], RecipeRun]
    constants: Mapping[str, Any] = field(default_factory=dict)
    search: Mapping[str, Range] = field(default_factory=dict)
    search_source: str = ""
    conditions: Mapping[str, tuple[str, frozenset[Scalar]]] = field(default_factory=dict)
    trains: Trained = "encoder"
    check: Callable[[TrialConfig, TextData], None] = _accepts
    embeds_once: bool = False
    searchable: bool = True
    cost: Callable[[TrialConfig, int], int] = _reads_once
    shortened: Callable[[TrialConfig], TrialConfig] = _as_it_is
    bounded: Callable[[TrialConfig, int, int], TrialConfig] = _stays
    keep: Callable[[Trial], Classifier] | None = None
    carry: Callable[[TrialConfig, TextData], object] = _carries_nothing
    receive: Callable[[TrialConfig, object], None] = _carries_nothing
    digest: Callable[[TrialConfig], Mapping[str, str]] = _reads_nothing
    notes: Callable[[TrialConfig, TextData], tuple[str, ...]] = _says_nothing

    @property
    def name(self) -> str:
        """The name that specs and tables use."""
        default: Any = self.config.model_fields["name"].default
        return str(default)

    def takes(self, loss: LossEntry) -> bool:
        """Return whether the recipe can be trained with a loss."""
        return self.losses == "all" or (self.losses == "metric" and loss.build is not None)

    def reads(self, name: str, fields: Mapping[str, Range | Scalar]) -> bool:
        """Return whether a trial may read its own field `name`, where its fields have these values or ranges."""
        if name not in self.conditions:
            return True
        other, values = self.conditions[name]
        given = fields.get(other)  # None where the field has no value
        return not values.isdisjoint(given.values) if isinstance(given, Choice) else given in values
