"""A frozen encoder: its sentence embeddings are computed once, and a small classifier is fitted to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from trainable.encoder.digest import embedding_digest
from trainable.ranges import Choice, FloatRange
from trainable.recipes.entry import ENCODING, RecipeConfig, RecipeEntry

if TYPE_CHECKING:
    from trainable.classifier import Classifier
    from trainable.config import TrialConfig
    from trainable.datasets.text_data import TextData
    from trainable.recipes.entry import RecipeRun, Trial

__all__ = ["ENTRY", "Frozen", "FrozenHead"]

FrozenHead = Literal["logistic_regression", "centroid", "neighbours", "linear_svm"]


class Frozen(RecipeConfig):
    """Fields of the classifier on frozen embeddings."""

    name: Literal["frozen"] = "frozen"
    head: FrozenHead = Field(
        "logistic_regression",
        description="classifier: logistic regression, the class centroid of the highest cosine, the vote of the "
        "nearest rows, or a linear SVM",
    )
    normalise: bool = Field(
        True, description="whether embeddings are scaled to length 1 before a logistic regression or an SVM"
    )
    C: float = Field(1.0, gt=0, le=1e6, description="inverse strength of the L2 penalty of logistic regression and SVM")
    name_weight: float = Field(
        0.0,
        ge=0,
        le=1000,
        description="rows that the name or description of a class counts as in its centroid; 0: it is not read",
    )
    neighbours: int = Field(5, ge=1, le=1000, description="rows that vote, at most as many as the draw has")


def begin(trial: Trial) -> RecipeRun:
    from trainable.frozen_classifier import FrozenClassifier, fit_head  # imported late: it loads tensors

    return FrozenClassifier.begun(trial, fit_head)


_LINEAR = ("head", frozenset({"logistic_regression", "linear_svm"}))


def notes(config: TrialConfig, data: TextData) -> tuple[str, ...]:
    from trainable.class_texts import silent_names  # imported late: it needs the configuration, which needs this table

    assert isinstance(config.recipe, Frozen), "the recipe reads its own trials"
    return silent_names(config.dataset, data) if config.recipe.name_weight > 0 else ()


def keep(trial: Trial) -> Classifier:
    from trainable.kept import frozen_classifier  # imported late: it loads tensors

    return frozen_classifier(trial)


ENTRY = RecipeEntry(
    config=Frozen,
    summary="fits a small classifier to the embeddings of the pretrained encoder, which is not trained",
    source="logistic regression and SVM of scikit-learn; centroids as the prototypes of Snell et al., 2017 "
    "(arXiv:1703.05175)",
    losses="none",
    fields=ENCODING | {"class_weights", "priors"},
    constants={"loss": None, "evaluations": 1},
    begin=begin,
    keep=keep,
    trains="head",
    embeds_once=True,
    search={
        "head": Choice(("logistic_regression", "centroid", "neighbours", "linear_svm")),
        "normalise": Choice((True, False)),
        "C": FloatRange(0.01, 1000.0, log=True),
        "name_weight": Choice((0.0, 1.0, 2.0, 4.0)),
        "neighbours": Choice((1, 3, 5, 9)),
    },
    search_source="On embeddings of length 1, an unpenalised fit needs a C far above scikit-learn's default of 1. "
    "Names that say what a class means are worth some rows (support, 4 per class: 57.9 without, 65.5 with a weight of "
    "2), others none (TREC: 44.2, 43.5).",
    conditions={
        "normalise": _LINEAR,
        "C": _LINEAR,
        "neighbours": ("head", frozenset({"neighbours"})),
        "name_weight": ("head", frozenset({"centroid"})),
    },
    notes=notes,
    digest=embedding_digest,
)
