"""No labelled rows: a text belongs to the class whose name, or description, has the most similar embedding."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from trainable.encoder.digest import embedding_digest
from trainable.ranges import Choice
from trainable.recipes.entry import ENCODING, RecipeConfig, RecipeEntry

if TYPE_CHECKING:
    from trainable.classifier import Classifier
    from trainable.config import TrialConfig
    from trainable.datasets.text_data import TextData
    from trainable.recipes.entry import RecipeRun, Trial

__all__ = ["ENTRY", "LabelNames"]


_ONE_PLACE = re.compile(r"^[^{}]*\{\}[^{}]*$")


class LabelNames(RecipeConfig):
    """Fields of a classifier that knows the classes by their names."""

    name: Literal["label_names"] = "label_names"
    template: str = Field(
        "{}",
        max_length=200,
        description="text of a class that has no description; its name stands in the place of `{}`",
        json_schema_extra={"pattern": _ONE_PLACE.pattern},
    )

    @field_validator("template")
    @classmethod
    def _has_one_place(cls, template: str) -> str:
        if not _ONE_PLACE.fullmatch(template):
            raise ValueError(
                f"`template` has `{{}}` once, where the name of the class stands, and no other brace, as `a text about "
                f"{{}}`; received {template!r}"
            )
        return template


def begin(trial: Trial) -> RecipeRun:
    from trainable.frozen_classifier import FrozenClassifier, fit_names  # imported late: it loads tensors

    return FrozenClassifier.begun(trial, fit_names)


def notes(config: TrialConfig, data: TextData) -> tuple[str, ...]:
    from trainable.class_texts import silent_names  # imported late: it needs the configuration, which needs this table

    if not set(data.class_names) - dict(config.dataset.descriptions or ()).keys():
        return ("every class has a description, so that `template` is not read: trials that differ in it are alike",)
    return silent_names(config.dataset, data)


def keep(trial: Trial) -> Classifier:
    from trainable.kept import frozen_classifier  # imported late: it loads tensors

    return frozen_classifier(trial)


ENTRY = RecipeEntry(
    config=LabelNames,
    summary="takes no labelled rows: the class whose name or description has the embedding nearest to the text's",
    source="zero-shot classification by the names of the classes: Yin et al., 2019 (arXiv:1909.00161)",
    losses="none",
    fields=ENCODING,
    constants={"loss": None, "evaluations": 1},
    begin=begin,
    keep=keep,
    trains="nothing",
    embeds_once=True,
    search={"template": Choice(("{}", "This text is about {}.", "This example is {}.", "It was {}."))},
    search_source="The second is that of Yin et al., 2019 (arXiv:1909.00161), the third the default of the zero-shot "
    "pipeline of transformers, the last that of Gao et al., 2021 (arXiv:2012.15723) for opinions.",
    notes=notes,
    digest=embedding_digest,
)
