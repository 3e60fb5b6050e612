"""Predictions of another system, such as a large language model, in a file: scored as those of every other recipe."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from trainable.errors import ConfigError
from trainable.recipes.entry import RecipeConfig, RecipeEntry

if TYPE_CHECKING:
    from trainable.config import TrialConfig
    from trainable.datasets.answers import Answers
    from trainable.datasets.text_data import TextData
    from trainable.recipes.entry import RecipeRun, Trial

__all__ = ["ENTRY", "Predictions"]


class Predictions(RecipeConfig):
    """Fields of predictions that were made elsewhere."""

    name: Literal["predictions"] = "predictions"
    path: str | None = Field(
        None,
        description="file (csv, tsv, jsonl, parquet) with an answer to each test row: the columns of the dataset for "
        "texts and label, and, if you have them, `probability_CLASS` for each class; one file holds those "
        "of all datasets; it has no default",
    )
    cost: float | None = Field(
        None, ge=0, description="USD that the predictions of the test part cost, to be shown beside the score"
    )
    seconds: float | None = Field(
        None, ge=0, description="seconds that the predictions of the test part took, to be shown beside the score"
    )


def begin(trial: Trial) -> RecipeRun:
    from trainable.given_predictions import GivenPredictions  # imported late, as every recipe at work

    return GivenPredictions.begun(trial)


def read(config: TrialConfig, data: TextData) -> Answers:
    """Return the answers in the file of a trial. Raises TrainableError for a file that cannot be used."""
    from trainable.datasets.answers import read_answers  # imported late: it needs the configuration

    return read_answers(_path(config), config.dataset)


def check(config: TrialConfig, data: TextData) -> None:
    read(config, data)


def receive(config: TrialConfig, answers: Any) -> None:
    """Use the answers that a driver has read."""
    from trainable.datasets.answers import provide_answers

    provide_answers(_path(config), config.dataset, answers)


def digest(config: TrialConfig) -> Mapping[str, str]:
    path = Path(_path(config)).expanduser()
    with path.open("rb") as file:
        return {"file": f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"}


def notes(config: TrialConfig, data: TextData) -> tuple[str, ...]:
    answers, name = read(config, data), Path(_path(config)).name
    unused = f"{name}: {answers.unused} rows answer no row of the dataset"
    unscored = f"{name}: not every row of the pool has an answer, so that predictions have no validation score"
    return (*([unused] if answers.unused else ()), *([unscored] if answers.pool is None else ()))


def _path(config: TrialConfig) -> str:
    assert isinstance(config.recipe, Predictions), "the recipe reads its own trials"
    if config.recipe.path is None:
        raise ConfigError("the recipe predictions needs a file; received none: name it as `search.predictions.path`")
    return config.recipe.path


ENTRY = RecipeEntry(
    config=Predictions,
    summary="scores the labels that another system gave to the test rows, from a file; nothing is trained or searched",
    source="a file of the user's",
    losses="none",
    fields=frozenset(),
    constants={"loss": None, "evaluations": 1, "encoder": ""},
    begin=begin,
    trains="elsewhere",
    searchable=False,
    check=check,
    carry=read,
    receive=receive,
    digest=digest,
    notes=notes,
)
