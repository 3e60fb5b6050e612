"""SetFit, by the library of that name: pairs of rows fine-tune the encoder, then a classifier is fitted to it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from trainable.encoder.digest import module_digest
from trainable.encoder.places import module_files
from trainable.encoder.pooling import stated_layers, stated_pooling
from trainable.encoder.prompts import prompt_text
from trainable.encoder.stated import check_reading
from trainable.errors import ConfigError
from trainable.ranges import Choice, FloatRange, IntRange
from trainable.recipes.entry import RecipeConfig, RecipeEntry

if TYPE_CHECKING:
    from trainable.classifier import Classifier
    from trainable.config import TrialConfig
    from trainable.datasets.text_data import TextData
    from trainable.recipes.entry import RecipeRun, Trial

__all__ = ["ENTRY", "SetFit"]


_STEPS = 8  # of a training that is timed
_PAIRS_OF_A_ROW = 40


class SetFit(RecipeConfig):
    """Fields of SetFit, with the names and the defaults of its `TrainingArguments` and of its head."""

    name: Literal["setfit"] = "setfit"
    body_learning_rate: float = Field(2e-5, gt=0, le=1, description="peak learning rate of the encoder")
    num_epochs: int = Field(1, ge=1, le=1000, description="times that the encoder is trained on all pairs")
    batch_size: int = Field(16, ge=1, le=4096, description="pairs of rows in a step")
    sampling_strategy: Literal["oversampling", "undersampling", "unique"] = Field(
        "oversampling",
        description="pairs of one class and of two: repeated until there are as many of each, left out until then, or "
        "each pair once",
    )
    num_iterations: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="pairs of each kind that a row is part of, in place of `sampling_strategy`; default: that decides",
    )
    max_steps: int | None = Field(
        None, ge=1, le=1_000_000, description="most steps, in place of `num_epochs`; default: that decides"
    )
    warmup_proportion: float = Field(
        0.1, ge=0, lt=1, description="share of the steps during which the learning rate rises"
    )
    l2_weight: float = Field(0.01, ge=0, le=1, description="AdamW's weight decay of the encoder")
    C: float = Field(
        1.0, gt=0, le=1e6, description="inverse strength of the L2 penalty of the head, a logistic regression"
    )


def begin(trial: Trial) -> RecipeRun:
    from trainable.setfit_training import SetFitTraining  # imported late: a driver reads fields, not tensors

    return SetFitTraining.begun(trial)


def check(config: TrialConfig, data: TextData) -> None:
    """Refuse a machine without the library, and an encoder whose modules cannot be used."""
    missing = [name for name in ("setfit", "sentence_transformers") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"the recipe setfit needs the library setfit on every machine that runs or trains; {missing[0]} is not "
            "installed here: pip install 'few-shot-sweep[setfit]'"
        )
    module_files(config.encoder, config.encoder_revision)
    _check_modules(config.encoder, config.encoder_revision)


def _check_modules(name: str, revision: str | None) -> None:
    """Refuse before a sweep what could be compared, and its winner not kept."""
    prompt = partial(prompt_text, asked="auto")
    stated: Mapping[str, Callable[[str, str | None], object]]
    stated = {"pooling": stated_pooling, "layers": stated_layers, "reading": check_reading, "prompt": prompt}
    for what, read in stated.items():
        try:
            read(name, revision)
        except ConfigError as error:
            raise ConfigError(
                f"setfit takes modules and prompt from the encoder's folder, and what it trains must be one that can "
                f"be kept; the {what} that {name!r} states cannot be: choose another encoder, or leave setfit out"
            ) from error


def cost(config: TrialConfig, rows: int) -> int:
    """About as many pairs as rows have, of two rows each, unless their number or that of the steps is set."""
    assert isinstance(config.recipe, SetFit), "the recipe reads its own trials"
    recipe = config.recipe
    pairs = rows**2 if recipe.num_iterations is None else 2 * recipe.num_iterations * rows
    trained = recipe.num_epochs * pairs if recipe.max_steps is None else recipe.max_steps * recipe.batch_size
    return 3 * 2 * trained


def shortened(config: TrialConfig) -> TrialConfig:
    """Take a few steps; on all pairs of a hundred rows they are hundreds."""
    assert isinstance(config.recipe, SetFit), "the recipe reads its own trials"
    steps = min(_STEPS, config.recipe.max_steps or _STEPS)
    return config.model_copy(update={"recipe": config.recipe.model_copy(update={"max_steps": steps})})


def bounded(config: TrialConfig, compared: int, rows: int) -> TrialConfig:
    """Take no more steps than the comparison did, or than let each row be part of 40 pairs: all pairs grow with the
    square of the rows. 40 is the default of SetFit's first version, `num_iterations` of 20 for each kind of pair.
    """
    assert isinstance(config.recipe, SetFit), "the recipe reads its own trials"
    recipe = config.recipe
    if rows <= compared or recipe.num_iterations is not None or recipe.max_steps is not None:
        return config
    steps = recipe.num_epochs * max(compared**2, _PAIRS_OF_A_ROW * rows) // recipe.batch_size
    return config.model_copy(update={"recipe": recipe.model_copy(update={"max_steps": max(1, steps)})})


def keep(trial: Trial) -> Classifier:
    from trainable.kept import set_fit_classifier

    return set_fit_classifier(trial)


def digest(config: TrialConfig) -> Mapping[str, str]:
    return module_digest(config.encoder, config.encoder_revision)


ENTRY = RecipeEntry(
    config=SetFit,
    summary="fine-tunes the encoder on pairs of rows, so that those of one class come to lie together, and fits a "
    "logistic regression to its embeddings: the library SetFit as it is",
    source="Tunstall et al., 2022 (arXiv:2209.11055)",
    losses="none",
    fields=frozenset({"encoder", "encoder_revision", "max_length"}),
    constants={"loss": None, "evaluations": 1},
    begin=begin,
    search={
        "body_learning_rate": FloatRange(1e-6, 1e-3, log=True),
        "num_epochs": IntRange(1, 3),
        "batch_size": Choice((16, 32, 64)),
    },
    search_source="The example of its documentation, huggingface.co/docs/setfit/how_to/hyperparameter_optimization.",
    conditions={
        "num_epochs": ("max_steps", frozenset({None})),
        "sampling_strategy": ("num_iterations", frozenset({None})),
    },
    cost=cost,
    shortened=shortened,
    bounded=bounded,
    keep=keep,
    check=check,
    digest=digest,
)
